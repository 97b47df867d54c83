// One topic: messages, partitions, storage, settings.
import { configs, part, topic } from './api.js';
import { figures, h, table } from './dom.js';
import { bytes, count, number, time } from './format.js';
import { messagesTab } from './messages.js';
import { storageTab } from './storage.js';

const tabs = [['messages', 'Messages'], ['partitions', 'Partitions'], ['storage', 'Storage'], ['settings', 'Settings']];

export function topicView([name, tab = 'messages', which = '0']) {
  const inner = { messages: () => messagesTab(name, which), partitions: () => partitionsTab(name), storage: () => storageTab(name, which), settings: () => settingsTab(name) }[tab] || (() => messagesTab(name, which));
  const one = inner();
  return {
    title: name, section: 'topics',
    crumb: h('p', { class: 'crumb' }, h('a', { href: '#/topics' }, 'Topics')),
    still: [h('nav', { class: 'tabs', 'aria-label': 'Topic' }, h('ul', null, tabs.map(([key, label]) => h('li', null,
      h('a', { href: `#/topic/${part(name)}/${key}`, 'aria-current': key === tab ? 'page' : null }, label))))), one.still],
    load: one.load,
  };
}

function partitionsTab(name) {
  return {
    async load(signal) {
      const t = await topic(name, signal);
      const sum = (f) => t.partitions.reduce((n, p) => n + f(p), 0);
      return [
        figures(['Partitions', number(t.partitions.length)], ['Offsets', number(sum((p) => p.end - p.start))], ['Stored', bytes(sum((p) => p.bytes)), `${bytes(sum((p) => p.settled))} of it settled for good`]),
        table('Partitions', [
          { name: 'Partition', n: true, cell: (p) => h('a', { href: `#/topic/${part(name)}/storage/${p.partition}` }, number(p.partition)) },
          { name: 'First offset', n: true, cell: (p) => number(p.start) },
          { name: 'End', n: true, cell: (p) => [number(p.end), p.stable < p.end ? h('small', null, `a transaction is open from ${number(p.stable)}`) : null] },
          { name: 'Stored', n: true, cell: (p) => bytes(p.bytes) },
          { name: 'Settled', n: true, cell: (p) => [bytes(p.settled), p.settledObjects ? h('small', null, count(p.settledObjects, 'object')) : null] },
          { name: 'Spans not settled for good', n: true, cell: (p) => number(p.spans) },
          { name: 'Preferred instance', n: true, cell: (p) => (p.leader < 0 ? 'none' : p.leader) },
          { name: 'Newest record', cell: (p) => time(p.newest) },
        ], t.partitions),
      ];
    },
  };
}

const sources = { DYNAMIC_TOPIC_CONFIG: 'set on this topic', DEFAULT_CONFIG: 'default' };

function settingsTab(name) {
  return {
    async load(signal) {
      const rows = (await configs(name, signal)).data;
      rows.sort((a, b) => (a.is_default - b.is_default) || (a.name < b.name ? -1 : 1));
      return [h('p', { class: 'quiet' }, 'What is set on this topic comes first. Change it with kafka-configs, or with PUT on REST.'),
        table('Settings of the topic', [
          { name: 'Setting', cell: (c) => h('span', { class: 'mono' }, c.name) },
          { name: 'Value', cls: 'key', cell: (c) => h('span', { class: 'mono' }, c.value ?? 'null') },
          { name: 'From', cell: (c) => (c.is_default ? 'default' : h('span', { class: 'badge good' }, sources[c.source] || c.source || 'set')) },
        ], rows)];
    },
  };
}
