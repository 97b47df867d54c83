import { instances } from './api.js';
import { figures, h, table } from './dom.js';
import { count, number, time } from './format.js';

export function instancesView() {
  return {
    title: 'Instances', section: 'instances',
    intro: 'Any instance can serve any partition. “Preferred” is where clients are sent, so that readers at the tail find their bytes in memory; it is no ownership.',
    async load(signal) {
      const rows = (await instances(signal)).instances;
      const zones = new Set(rows.map((i) => i.zone).filter(Boolean));
      const versions = new Set(rows.map((i) => i.version));
      return [
        figures(['Live', number(rows.length)], ['Zones', number(zones.size), zones.size ? [...zones].join(', ') : 'none named (--zone)'], ['Versions', number(versions.size), versions.size > 1 ? 'an upgrade is under way' : [...versions][0]]),
        table('Live instances', [
          { name: 'Node', n: true, cell: (i) => [String(i.node), i.self ? h('small', null, 'this one') : null] },
          { name: 'State', cell: (i) => (i.draining ? h('span', { class: 'badge warn' }, 'leaving') : h('span', { class: 'badge good' }, 'serving')) },
          { name: 'Kafka', cls: 'key', cell: (i) => i.endpoints.map((e) => h('span', { class: 'mono' }, `${e.listener ? e.listener + ' ' : ''}${e.host}:${e.port}${e.tls ? ' TLS' : ''}`, h('br'))) },
          { name: 'HTTP', cell: (i) => h('span', { class: 'mono' }, i.http || '—') },
          { name: 'Zone', cell: (i) => i.zone || '—' },
          { name: 'Preferred for', n: true, cell: (i) => count(i.preferred, 'partition') },
          { name: 'Version', cell: (i) => [i.version, h('small', null, `format ${i.formatNewest || 1}`)] },
          { name: 'Started', cell: (i) => time(Date.parse(i.started)) },
        ], rows),
      ];
    },
  };
}
