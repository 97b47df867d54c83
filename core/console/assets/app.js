// The frame of the page: which view the address names, what is asked again and again while the page is seen, and errors.
import { cluster } from './api.js';
import { h, problem, swap } from './dom.js';
import { costView } from './cost.js';
import { groupView, groupsView } from './groups.js';
import { instancesView } from './instances.js';
import { topicView } from './topic.js';
import { topicsView } from './topics.js';

const every = 3000; // ms
const sections = [['topics', 'Topics'], ['groups', 'Groups'], ['instances', 'Instances'], ['cost', 'Cost']];
const views = { topics: topicsView, topic: topicView, groups: groupsView, group: groupView, instances: instancesView, cost: costView };

const main = document.getElementById('main');
const live = document.getElementById('live');
let current = null; // {view, stop}
let timer = 0;

// A view gives its title, the section that it belongs to, what stands still, and load → what is live below it.
async function show() {
  current?.stop.abort();
  clearTimeout(timer);
  const [name, ...args] = location.hash.replace(/^#\/?/, '').split('/').map(unescapePart);
  const stop = new AbortController();
  const make = views[name] || topicsView;
  const view = make(args, stop.signal);
  const body = h('div', { class: 'view' });
  current = { view, stop, body };
  nav(view.section);
  document.title = `${view.title} · firnlog`;
  main.replaceChildren(...[view.crumb, h('h1', null, view.title), view.intro ? h('p', { class: 'quiet' }, view.intro) : null, view.still, body].flat(Infinity).filter(Boolean));
  body.append(h('p', { class: 'quiet' }, 'Loading …'));
  say(view.title);
  await refresh();
}

function unescapePart(s) {
  try { return decodeURIComponent(s); } catch { return s; }
}

async function refresh() {
  const mine = current;
  clearTimeout(timer);
  try {
    const nodes = await mine.view.load(mine.stop.signal);
    if (mine === current && nodes) swap(mine.body, nodes);
  } catch (e) {
    if (e.name === 'AbortError' || mine !== current) return;
    swap(mine.body, problem(e), h('p', null, h('button', { type: 'button', onclick: refresh }, 'Try again')));
    if (e.status === undefined) console.error(e);
  }
  if (mine === current) again();
}

function again() {
  clearTimeout(timer);
  if (live.getAttribute('aria-pressed') === 'true' && !document.hidden) timer = setTimeout(refresh, every);
}

function nav(section) {
  document.getElementById('nav').replaceChildren(h('ul', null, sections.map(([key, name]) => h('li', null, h('a', { href: '#/' + key, 'aria-current': key === section ? 'page' : null }, name)))));
}

function say(text) { document.getElementById('say').textContent = text; }

async function foot() {
  try {
    const c = await cluster();
    document.getElementById('foot').replaceChildren(
      `Cluster ${c.name} (${c.id}), seen from instance ${c.node}, version ${c.version}, as ${c.authenticated ? c.user : 'anybody: no authentication'}. This console reads only: it makes no group and commits nothing.`);
  } catch { /* the view says what is wrong */ }
}

live.addEventListener('click', () => {
  const on = live.getAttribute('aria-pressed') !== 'true';
  live.setAttribute('aria-pressed', on);
  say(on ? 'The page is live' : 'The page stands still');
  if (on) refresh();
});
document.getElementById('skip').addEventListener('click', (e) => { e.preventDefault(); main.focus(); });
document.addEventListener('visibilitychange', () => { if (document.hidden) clearTimeout(timer); else if (current) again(); });
window.addEventListener('hashchange', async () => { await show(); main.focus({ preventScroll: true }); window.scrollTo(0, 0); });
show();
foot();
