// Consumer groups and how far they are behind, as REST tells it.
import { group, groups, lags, lagSum, members, part } from './api.js';
import { empty, figures, h, table } from './dom.js';
import { number } from './format.js';

const sumsMax = 100; // groups whose lag is asked for in one round

const state = (s) => h('span', { class: 'badge ' + ({ STABLE: 'good', EMPTY: '', DEAD: 'bad' }[s] ?? 'warn') }, s.toLowerCase().replaceAll('_', ' '));

export function groupsView() {
  return {
    title: 'Consumer groups', section: 'groups',
    async load(signal) {
      const rows = (await groups(signal)).data.sort((a, b) => (a.consumer_group_id < b.consumer_group_id ? -1 : 1));
      if (rows.length === 0) return empty('There are no consumer groups that you may see.', 'A group is made by the first consumer that joins it. Looking at messages here makes none.', 'kcat -b HOST:PORT -G my-group my-topic');
      const sums = await Promise.all(rows.slice(0, sumsMax).map((g) => lagSum(g.consumer_group_id, signal).catch((e) => { if (e.name === 'AbortError') throw e; return null; })));
      rows.forEach((g, i) => { g.sum = sums[i]; });
      return table(`Groups: ${number(rows.length)}${rows.length > sumsMax ? `; lag of the first ${sumsMax}` : ''}`, [
        { name: 'Group', cls: 'key', cell: (g) => h('a', { href: `#/group/${part(g.consumer_group_id)}` }, g.consumer_group_id) },
        { name: 'State', cell: (g) => state(g.state) },
        { name: 'Protocol', cell: (g) => (g.type || 'unknown').toLowerCase() },
        { name: 'Lag', n: true, cell: (g) => (g.sum ? number(g.sum.total_lag) : '—') },
        { name: 'Most behind', cell: (g) => (g.sum && g.sum.max_lag > 0 ? `${g.sum.max_lag_topic_name} / ${g.sum.max_lag_partition_id}: ${number(g.sum.max_lag)}` : h('span', { class: 'quiet' }, '—')) },
      ], rows);
    },
  };
}

export function groupView([name]) {
  return {
    title: name, section: 'groups',
    crumb: h('p', { class: 'crumb' }, h('a', { href: '#/groups' }, 'Consumer groups')),
    async load(signal) {
      const [g, who, behind] = await Promise.all([group(name, signal), members(name, signal), lags(name, signal)]);
      const sum = behind.data.reduce((n, l) => n + l.lag, 0);
      return [
        figures(['State', g.state.toLowerCase().replaceAll('_', ' ')], ['Protocol', (g.type || 'unknown').toLowerCase(), g.partition_assignor ? `assignor ${g.partition_assignor}` : null], ['Members', number(who.data.length)], ['Lag', number(sum), 'records, all partitions']),
        h('h2', null, 'Lag'),
        behind.data.length === 0 ? empty('The group has committed nothing yet.', 'Lag is told from committed offsets: it shows once a member commits.')
          : table('Committed offsets and lag by partition', [
            { name: 'Topic', cls: 'key', cell: (l) => h('a', { href: `#/topic/${part(l.topic_name)}` }, l.topic_name) },
            { name: 'Partition', n: true, cell: (l) => number(l.partition_id) },
            { name: 'Committed', n: true, cell: (l) => number(l.current_offset) },
            { name: 'End', n: true, cell: (l) => number(l.log_end_offset) },
            { name: 'Lag', n: true, cell: (l) => h('span', { class: l.lag > 0 ? 'badge warn' : 'badge good' }, number(l.lag)) },
            { name: 'Member', cls: 'key', cell: (l) => (l.consumer_id ? h('span', { class: 'mono' }, l.consumer_id) : h('span', { class: 'quiet' }, 'nobody')) },
          ], behind.data),
        h('h2', null, 'Members'),
        who.data.length === 0 ? empty('Nobody is in the group.', 'Its offsets are kept for --offsets-retention after the last member has left.')
          : table('Members', [
            { name: 'Member', cls: 'key', cell: (m) => h('span', { class: 'mono' }, m.consumer_id) },
            { name: 'Client', cls: 'key', cell: (m) => m.client_id || '—' },
            { name: 'Instance', cls: 'key', cell: (m) => m.instance_id || h('span', { class: 'quiet' }, 'not static') },
          ], who.data),
      ];
    },
  };
}
