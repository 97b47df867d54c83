import { part, topics } from './api.js';
import { empty, figures, h, table } from './dom.js';
import { bytes, number, retention, time } from './format.js';

export function topicsView() {
  let wanted = '', all = [], listed = null;
  const filter = h('input', { id: 'filter', type: 'search', autocomplete: 'off', spellcheck: 'false', oninput: (e) => { wanted = e.target.value; listed?.replaceWith(listed = list()); } });
  function list() {
    const rows = all.filter((t) => t.name.toLowerCase().includes(wanted.toLowerCase()));
    if (rows.length === 0) return empty('No topic fits.', `None of ${all.length} topics has “${wanted}” in its name. Empty the filter to see all of them.`);
    return table(`Topics: ${number(rows.length)} of ${number(all.length)}`, [
      { name: 'Name', cell: (t) => h('a', { href: `#/topic/${part(t.name)}` }, t.name) },
      { name: 'Partitions', n: true, cell: (t) => number(t.partitions) },
      { name: 'Offsets', n: true, cell: (t) => number(t.records) },
      { name: 'Stored', n: true, cell: (t) => bytes(t.bytes) },
      { name: 'Newest record', cell: (t) => time(t.newest) },
      { name: 'Cleanup', cell: (t) => t.policy },
      { name: 'Kept', cell: (t) => retention(t.retention) },
    ], rows);
  }
  return {
    title: 'Topics', section: 'topics',
    still: h('div', { class: 'filter' }, h('label', { for: 'filter' }, 'Filter by name'), filter),
    async load(signal) {
      all = (await topics(signal)).topics;
      if (all.length === 0) {
        return empty('There are no topics that you may see.', 'Write a first record with any Kafka client, and the topic is made. Where there are ACLs, ask for Describe on topics.', 'echo "hello firn" | kcat -b HOST:PORT -P -t greetings');
      }
      const sum = (f) => all.reduce((n, t) => n + f(t), 0);
      listed = list();
      return [figures(['Topics', number(all.length)], ['Partitions', number(sum((t) => t.partitions))], ['Offsets', number(sum((t) => t.records)), 'from start to end of all'], ['Stored', bytes(sum((t) => t.bytes)), 'as it lies in the object store']), listed];
    },
  };
}
