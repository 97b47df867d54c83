// Messages of a topic: search by offset, time, key and value, newest first or on from somewhere; follow what comes in.
import { messages, topic } from './api.js';
import { empty, h, problem, swap } from './dom.js';
import { bytes, count, decode, hex, iso, json, line, text, time } from './format.js';

const shownMax = 2000; // messages in the page; following drops the oldest
const whole = 4 << 20; // bytes of a value at most

export function messagesTab(name) {
  const at = { partitions: null, query: { from: 'newest' }, list: [], after: '', before: '', follow: false, order: 'newest', answer: null };
  const found = h('div');
  const field = (id, label, control) => h('div', { id: 'field-' + id }, h('label', { for: id }, label), control);
  const partition = h('select', { id: 'partition' }, h('option', { value: '' }, 'all'));
  const from = h('select', { id: 'from', onchange: shape }, [['newest', 'newest first'], ['oldest', 'oldest first'], ['offset', 'from offset'], ['time', 'from time (UTC)']].map(([v, t]) => h('option', { value: v }, t)));
  const offset = h('input', { id: 'offset', type: 'number', min: '0', step: '1', value: '0' });
  const when = h('input', { id: 'time', type: 'text', placeholder: '2026-01-31T12:00:00Z', autocomplete: 'off', spellcheck: 'false' });
  const key = h('input', { id: 'key', type: 'text', autocomplete: 'off', spellcheck: 'false', placeholder: 'all of it; 0x… for bytes' });
  const value = h('input', { id: 'value', type: 'text', autocomplete: 'off', spellcheck: 'false', placeholder: 'a part of it' });
  const follow = h('button', { type: 'button', id: 'follow', 'aria-pressed': 'false', onclick: () => { at.follow = !at.follow; follow.setAttribute('aria-pressed', at.follow); if (at.follow) { from.value = 'newest'; shape(); search(); } } }, 'Follow');
  const form = h('form', { class: 'card search', role: 'search', 'aria-label': 'Messages', onsubmit: (e) => { e.preventDefault(); search(); } },
    field('partition', 'Partition', partition), field('from', 'Order', from), field('offset', 'Offset', offset), field('time', 'Time', when),
    field('key', 'Key is', key), field('value', 'Value contains', value),
    h('div', { class: 'go' }, h('button', { type: 'submit', class: 'main', id: 'search' }, 'Search'), follow));
  function shape() {
    form.querySelector('#field-offset').hidden = from.value !== 'offset';
    form.querySelector('#field-time').hidden = from.value !== 'time';
  }
  shape();

  function query() {
    const q = { from: from.value };
    if (partition.value !== '') q.partition = partition.value;
    if (q.from === 'offset') q.offset = offset.value;
    if (q.from === 'time') {
      const typed = when.value.trim();
      const ms = /^\d+$/.test(typed) ? Number(typed) : Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(typed) ? typed : typed + (typed.includes('T') ? 'Z' : ''));
      if (Number.isNaN(ms)) throw Object.assign(new Error('This is no time.'), { hint: 'Write it as 2026-01-31T12:00:00Z, or as milliseconds since 1970.' });
      q.time = ms;
    }
    if (key.value !== '') q.key = key.value;
    if (value.value !== '') q.value = value.value;
    return q;
  }

  let running = 0;
  async function search(more) {
    const mine = ++running;
    try {
      if (!more) at.query = query();
      const filters = { ...at.query };
      if (more) { delete filters.from; Object.assign(filters, more); }
      const answer = await messages(name, filters);
      if (mine !== running) return;
      take(answer, more);
    } catch (e) {
      if (mine === running) swap(found, problem(e), at.list.length ? rows() : null);
    }
  }

  function take(answer, more) {
    if (!more) { at.list = []; at.order = at.query.from === 'newest' ? 'newest' : 'oldest'; }
    if (!more || more.after) at.after = answer.after;
    if (!more || more.before) at.before = answer.before;
    at.list = more?.after && at.order === 'newest' ? [...answer.messages.reverse(), ...at.list].slice(0, shownMax) : [...at.list, ...answer.messages];
    at.answer = answer;
    draw();
  }

  const open = new Set();
  function draw() {
    const a = at.answer;
    const limits = { bytes: 'It stopped after reading 32 MiB.', time: 'It stopped after 5 seconds.' }[a.stopped] || '';
    const foundText = `${count(at.list.length, 'message')}; the last request looked at ${count(a.read.records, 'record')}, ${bytes(a.read.bytes)}. ${limits}`;
    const further = [];
    if (at.order === 'newest' && at.before) further.push(h('button', { type: 'button', id: 'older', onclick: () => search({ before: at.before }) }, 'Look further back'));
    if (at.order !== 'newest' && !a.atEnd) further.push(h('button', { type: 'button', id: 'on', onclick: () => search({ after: at.after }) }, 'Go on'));
    swap(found, h('p', { class: 'quiet', id: 'found' }, foundText), at.list.length ? rows() : nothing(), h('div', { class: 'more' }, further, at.order !== 'newest' && a.atEnd ? h('span', { class: 'quiet' }, 'This is the end of what is there.') : null));
  }

  function nothing() {
    if (at.answer.partitions.every((p) => p.start === p.end)) return empty('The topic is empty.', 'Write a record, and it is shown here (Follow shows it at once).', `echo "hello" | kcat -b HOST:PORT -P -t ${name}`);
    const ends = at.answer.partitions.slice(0, 4).map((p) => `${p.partition}: ${p.start} to ${p.end}`).join(', ');
    return empty('Nothing was found here.', `Offsets of the partitions: ${ends}${at.answer.partitions.length > 4 ? ', …' : ''}. Search from the oldest on, look further, or leave out the key and value.`);
  }

  const rows = () => h('div', { class: 'card' },
    h('div', { class: 'colheads', 'aria-hidden': 'true' }, h('span', null, 'Partition:offset'), h('span', null, 'Timestamp'), h('span', null, 'Key'), h('span', null, 'Value')),
    h('ul', { class: 'messages', 'aria-label': 'Messages' }, at.list.map((m) => h('li', null, row(m)))));

  function row(m) {
    const id = `${m.partition}:${m.offset}`;
    const d = h('details', { open: open.has(id) },
      h('summary', null, h('span', { class: 'mono' }, id), h('span', { class: 'mono', title: iso(m.timestamp) }, iso(m.timestamp)), h('span', { class: m.key ? 'mono' : 'mono quiet' }, line(m.key)), h('span', { class: m.value ? 'mono' : 'mono quiet' }, line(m.value))));
    const fill = () => { if (d.open && d.children.length === 1) d.append(detail(name, m)); if (d.open) open.add(id); else open.delete(id); };
    d.addEventListener('toggle', fill);
    if (d.open) fill();
    return d;
  }

  return {
    still: [form, found],
    async load(signal) {
      if (at.partitions === null) {
        at.partitions = (await topic(name, signal)).partitions;
        partition.append(...at.partitions.map((p) => h('option', { value: p.partition }, String(p.partition))));
        if (at.partitions.length > 256) partition.value = '0';
        await search();
        return [h('span')];
      }
      if (at.follow && at.after) await search({ after: at.after });
      return null;
    },
  };
}

function detail(name, m) {
  const facts = [`partition ${m.partition}, offset ${m.offset}`, m.logAppend ? 'timestamp of the log' : 'timestamp of the producer', `compression ${m.codec}`];
  return h('div', { class: 'detail' },
    h('p', { class: 'quiet' }, time(m.timestamp), facts.join(' · ')),
    content(name, m, 'key', m.key), content(name, m, 'value', m.value),
    m.headers.length ? h('div', null, h('h3', null, `Headers (${m.headers.length + (m.moreHeaders || 0)})`), h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Headers' }, h('table', null,
      h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Name'), h('th', { scope: 'col' }, 'Value'), h('th', { scope: 'col', class: 'n' }, 'Size'))),
      h('tbody', null, m.headers.map((x) => h('tr', null, h('th', { scope: 'row', class: 'mono' }, x.name), h('td', { class: 'mono key' }, line(x.value)), h('td', { class: 'n' }, x.value ? bytes(x.value.size) : '—'))))))) : null);
}

// A key or value as text, JSON or hex; by itself as what it is.
function content(name, m, what, data) {
  const title = what === 'key' ? 'Key' : 'Value';
  if (data === null) return h('div', null, h('h3', null, title), h('p', { class: 'quiet' }, what === 'key' ? 'There is none.' : 'null: a tombstone'));
  const b = decode(data.data), isCut = b.length < data.size;
  const asText = text(b, isCut), asJSON = asText === null || isCut ? null : json(new TextDecoder().decode(b));
  const forms = [asJSON !== null && /^\s*[{[]/.test(asText) ? ['JSON', asJSON] : null, asText !== null ? ['text', asText] : null, ['hex', hex(b)]].filter(Boolean);
  const body = h('pre', { tabindex: '0', 'aria-label': title }, forms[0][1]);
  const choose = h('select', { 'aria-label': `Show ${what} as`, onchange: () => { body.textContent = forms[choose.selectedIndex][1]; } }, forms.map(([f]) => h('option', null, f)));
  const box = h('div', null, h('h3', null, `${title}, ${bytes(data.size)}`, choose, isCut ? h('button', { type: 'button', onclick: all }, `Show all (first ${bytes(b.length)} shown)`) : null), body);
  async function all() {
    try {
      const got = await messages(name, { partition: m.partition, from: 'offset', offset: m.offset, limit: 1, preview: whole });
      const same = got.messages.find((x) => x.offset === m.offset);
      if (!same) throw Object.assign(new Error('The message is gone.'), { hint: 'Retention or compaction has removed it.' });
      Object.assign(m, same);
      box.replaceWith(content(name, m, what, same[what]));
    } catch (e) { box.append(problem(e)); }
  }
  return box;
}
