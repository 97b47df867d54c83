// Numbers with units, times with how long ago, bytes as text, JSON or hex.
import { h } from './dom.js';

const whole = new Intl.NumberFormat('en');
export const number = (n) => whole.format(n);
export const count = (n, one, many = one + 's') => `${number(n)} ${n === 1 ? one : many}`;

export function bytes(n) {
  if (n < 1024) return `${n} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let i = -1;
  do { n /= 1024; i++; } while (n >= 1024 && i < units.length - 1);
  return `${n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2)} ${units[i]}`;
}

export function dollars(d) {
  if (d === 0) return '$0';
  if (d < 0.0001) return '< $0.0001';
  return '$' + (d < 1 ? d.toFixed(4) : new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(d));
}

export function duration(ms) {
  const s = Math.round(ms / 1000);
  for (const [unit, size] of [['day', 86400], ['hour', 3600], ['minute', 60]]) {
    if (s >= size * 2 || (s >= size && s % size === 0)) return `${Math.floor(s / size)} ${unit}${Math.floor(s / size) === 1 ? '' : 's'}`;
  }
  return `${s} s`;
}

export function ago(ms, now = Date.now()) {
  const away = now - ms;
  if (Math.abs(away) < 1500) return 'just now';
  return away > 0 ? `${duration(away)} ago` : `in ${duration(-away)}`;
}

export const iso = (ms) => { const d = new Date(ms); return Number.isNaN(d.getTime()) ? `${ms} ms` : d.toISOString(); };

// An instant in ISO (UTC) and how long ago that is; 0 is none.
export function time(ms, wide = true) {
  if (!ms || ms < 0) return h('span', { class: 'quiet' }, '—');
  return h('time', { datetime: iso(ms), title: iso(ms) }, wide ? [iso(ms), h('small', null, ago(ms))] : ago(ms));
}

export const retention = (ms) => (ms === '' ? '—' : Number(ms) < 0 ? 'for ever' : duration(Number(ms)));

export function decode(base64) {
  const binary = atob(base64);
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}

// Text if it is UTF-8 (but for a character cut off at the end of a preview), else null. What cannot be seen is shown as what it is.
export function text(b, isCut) {
  for (let less = 0; less <= (isCut ? 3 : 0); less++) {
    try {
      return visible(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(b.subarray(0, b.length - less)));
    } catch { /* one byte less */ }
  }
  return null;
}

// Control characters, and those that turn the direction of text or take no room, could make text look like other text.
// eslint-disable-next-line no-control-regex
const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const visible = (s) => s.replace(hidden, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

// Indents JSON without reading its numbers, which JavaScript would round.
export function json(s) {
  try { JSON.parse(s); } catch { return null; }
  let out = '', depth = 0;
  const line = () => '\n' + '  '.repeat(depth);
  for (const [token] of s.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === '{' || token === '[') { depth++; out += token + line(); }
    else if (token === '}' || token === ']') {
      depth--;
      out = /[{[]\s*$/.test(out) ? out.trimEnd() + token : out + line() + token;
    } else if (token === ',') out += token + line();
    else out += token === ':' ? ': ' : token;
  }
  return out;
}

export function hex(b) {
  const lines = [];
  for (let i = 0; i < b.length; i += 16) {
    const row = b.subarray(i, i + 16);
    const digits = [...row].map((x) => x.toString(16).padStart(2, '0')).join(' ').padEnd(47);
    const shown = [...row].map((x) => (x >= 32 && x < 127 ? String.fromCharCode(x) : '.')).join('');
    lines.push(`${i.toString(16).padStart(8, '0')}  ${digits}  ${shown}`);
  }
  return lines.join('\n');
}

// One line of a key or value.
export function line(data) {
  if (data === null) return 'null';
  const b = decode(data.data);
  const t = text(b, b.length < data.size);
  if (t === null) return '0x' + [...b.subarray(0, 32)].map((x) => x.toString(16).padStart(2, '0')).join('') + (data.size > 32 ? '…' : '');
  return t === '' ? '(empty)' : t.slice(0, 300).replaceAll('\n', '⏎ ');
}
