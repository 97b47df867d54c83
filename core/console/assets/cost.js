// Dollars a month by topic, against replicated disks: what firnlog cost prints.
import { cost, part } from './api.js';
import { empty, figures, h, svg, table } from './dom.js';
import { bytes, dollars, number, time } from './format.js';

export function costView() {
  return {
    title: 'Cost', section: 'cost',
    async load(signal) {
      const c = await cost(signal);
      if (c.topics.length === 0) return empty('There is nothing to pay for yet.', 'Once topics hold records, this page reckons what they cost a month on the object store, and what the same would cost on replicated disks.');
      const sum = (f) => c.topics.reduce((n, t) => n + f(t), 0);
      const stored = (t) => Object.values(t.classes).reduce((n, s) => n + s.bytes, 0);
      const total = sum((t) => t.total), replicated = sum((t) => t.replicated);
      const most = Math.max(...c.topics.map((t) => Math.max(t.total, t.replicated)), 1e-12);
      return [
        figures(['A month on the object store', dollars(total), `${dollars(sum((t) => t.storage))} storage, ${dollars(sum((t) => t.requests))} requests`],
          ['The same on replicated disks', dollars(replicated), `${dollars(sum((t) => t.replicatedDisks))} disks, ${dollars(sum((t) => t.replicatedTraffic))} traffic between zones`],
          ['Stored', bytes(sum(stored))], ['Coming in', sum((t) => t.bytesPerMonth) ? bytes(sum((t) => t.bytesPerMonth)) : 'not known yet', 'a month, by the records’ timestamps']),
        table('Dollars a month by topic, the dearest first', [
          { name: 'Topic', cls: 'key', cell: (t) => h('a', { href: `#/topic/${part(t.topic)}` }, t.topic), sum: 'All' },
          { name: 'Stored', n: true, cell: (t) => [bytes(stored(t)), Object.keys(t.classes).map((k) => h('small', null, k))], sum: bytes(sum(stored)) },
          { name: 'In, a month', n: true, cell: (t) => bytes(t.bytesPerMonth), sum: bytes(sum((t) => t.bytesPerMonth)) },
          { name: 'Storage', n: true, cell: (t) => dollars(t.storage), sum: dollars(sum((t) => t.storage)) },
          { name: 'Requests', n: true, cell: (t) => dollars(t.requests), sum: dollars(sum((t) => t.requests)) },
          { name: 'Together', n: true, cell: (t) => [h('strong', null, dollars(t.total)), bar(t.total / most)], sum: dollars(total) },
          { name: 'Replicated disks', n: true, cell: (t) => [dollars(t.replicated), bar(t.replicated / most)], sum: dollars(replicated) },
        ], c.topics),
        h('h2', null, 'How this is reckoned'),
        h('ul', { class: 'quiet' },
          h('li', null, `Stored bytes are exact, as of `, time(Date.parse(c.at), false), '.'),
          h('li', null, `Requests of a month: ${number(Math.round(c.requests.put))} PUT, ${number(Math.round(c.requests.get))} GET, ${number(Math.round(c.requests.list))} LIST; ${c.requests.how}.`),
          h('li', null, `Prices of ${c.region}, ${c.date}: ${c.source}.`),
          h('li', null, `Replicated disks: ${c.formula}.`),
          h('li', null, 'Left out on both sides: machines (brokers, functions, etcd), traffic to the internet, discounts.')),
      ];
    },
  };
}

function bar(share) {
  return h('small', null, svg('svg', { class: 'share', viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, svg('rect', { class: 'all', width: 100, height: 6, rx: 2 }), svg('rect', { width: Math.max(share * 100, 0.6).toFixed(2), height: 6, rx: 2 })));
}
