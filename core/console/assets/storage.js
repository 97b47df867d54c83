// What a partition refers to: the manifest with what is settled for good, spans that are not yet in it, and the objects that hold them.
import { part, storage, topic } from './api.js';
import { empty, figures, h, svg, table } from './dom.js';
import { bytes, count, number, time } from './format.js';

const kinds = {
  segment: 'segment, as an instance wrote it', shared: 'settled, together with other partitions', settled: 'settled, of this partition alone', cold: 'settled, in cold storage', marker: 'marker of a transaction, kept in etcd',
};

export function storageTab(name, which) {
  const n = Number.parseInt(which, 10) || 0;
  let many = null;
  const choose = h('select', { id: 'which', onchange: () => { location.hash = `#/topic/${part(name)}/storage/${choose.value}`; } });
  return {
    still: h('div', { class: 'filter' }, h('label', { for: 'which' }, 'Partition'), choose),
    async load(signal) {
      if (many === null) {
        many = (await topic(name, signal)).partitions.length;
        choose.append(...Array.from({ length: many }, (_, i) => h('option', { value: i, selected: i === n }, String(i))));
      }
      const s = await storage(name, n, signal);
      const all = [...s.settled, ...s.spans];
      if (all.length === 0) return empty('This partition refers to nothing.', 'Nothing was written to it yet, or retention has removed all of it.');
      const open = s.spans.reduce((sum, r) => sum + r.bytes, 0);
      return [
        figures(['Offsets', `${number(s.start)} – ${number(s.end)}`, s.stable < s.end ? `stable up to ${number(s.stable)}` : 'first, and end'],
          ['Settled for good', bytes(s.manifest?.bytes || 0), s.manifest ? `${count(s.manifest.objects, 'object')} in the manifest` : 'no manifest yet: settling comes at 64 MiB or after --settle-age'],
          ['Not settled for good', bytes(open), count(s.spans.length + s.spansLeft, 'span')],
          ['Head in etcd', s.asOf ? `revision ${number(s.asOf)}` : 'none yet', s.asOf ? 'covers all that was committed up to it' : 'a checkpoint writes it after 15 s']),
        strip(all, s),
        s.manifest ? [h('h2', null, 'Manifest'), h('p', { class: 'mono' }, s.manifest.key), h('p', { class: 'quiet' }, `Lists offsets ${number(s.manifest.base)} to ${number(s.manifest.end)}.`)] : null,
        s.spans.length ? [h('h2', null, 'Not in the manifest yet'), references('Spans, in offset order', s.spans, s.spansLeft)] : null,
        s.settled.length ? [h('h2', null, 'In the manifest'), references('Settled objects, in offset order', s.settled, s.settledLeft)] : null,
      ];
    },
  };
}

function references(caption, rows, left) {
  return table(left ? `${caption}: the newest ${number(rows.length)}; ${number(left)} older ones are not shown (firnlog inspect shows all)` : caption, [
    { name: 'Offsets', cell: (r) => `${number(r.base)} – ${number(r.end)}` },
    { name: 'Kind', cell: (r) => [h('span', { class: 'badge' }, r.kind), r.covered ? null : h('small', null, 'not in the head yet')] },
    { name: 'Object', cls: 'key', cell: (r) => (r.key ? h('span', { class: 'mono' }, r.key) : h('span', { class: 'quiet' }, 'none')) },
    { name: 'Position', n: true, cell: (r) => number(r.position) },
    { name: 'Bytes', n: true, cell: (r) => bytes(r.bytes) },
    { name: 'Rewritten', n: true, cell: (r) => (r.tier === 1 ? 'once' : r.tier ? `${r.tier} times` : 'never') },
    { name: 'Newest record', cell: (r) => time(r.newest) },
  ], rows);
}

// The partition from its first shown offset to its end, by bytes.
function strip(all, s) {
  const shown = all.filter((r) => r.bytes > 0);
  const sum = shown.reduce((n, r) => n + r.bytes, 0) || 1;
  let x = 0;
  const bars = shown.map((r) => {
    const w = r.bytes / sum * 1000;
    const bar = svg('rect', { class: r.kind, x: x.toFixed(2), y: 0, width: Math.max(w - (w > 4 ? 1.5 : 0), 0.2).toFixed(2), height: 32 });
    x += w;
    return bar;
  });
  const used = [...new Set(shown.map((r) => r.kind))];
  return [svg('svg', { class: 'strip', viewBox: '0 0 1000 32', preserveAspectRatio: 'none', role: 'img', 'aria-label': `Objects of offsets ${shown[0]?.base ?? s.start} to ${s.end}, as wide as their bytes` }, bars),
    h('ul', { class: 'legend' }, used.map((k) => h('li', null, svg('svg', { viewBox: '0 0 10 10', 'aria-hidden': 'true' }, svg('rect', { class: k, width: 10, height: 10, rx: 2 })), kinds[k])))];
}
