// Elements. Text goes in as text nodes only: nothing that comes from a record, a name or an answer is ever read as HTML.

// A few attributes by name, events as on…; children are nodes, strings, or lists of them. null and false are left out.
export function h(tag, attributes, ...children) {
  const e = document.createElement(tag);
  fill(e, attributes, children);
  return e;
}

export function svg(tag, attributes, ...children) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
  fill(e, attributes, children);
  return e;
}

function fill(e, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else e.setAttribute(name, value === true ? '' : String(value));
  }
  for (const c of children.flat(Infinity)) {
    if (c === null || c === undefined || c === false) continue;
    e.append(c instanceof Node ? c : String(c));
  }
}

// A table with a caption and headings. columns: {name, n: numbers, cell: row → content, sum: content}; the first column names its row.
export function table(caption, columns, rows) {
  const cls = (c) => (c.n ? 'n' : c.cls || null);
  const sums = columns.some((c) => c.sum !== undefined);
  return h('div', { class: 'card scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    h('table', null, h('caption', null, caption),
      h('thead', null, h('tr', null, columns.map((c) => h('th', { scope: 'col', class: cls(c) }, c.name)))),
      h('tbody', null, rows.map((row) => h('tr', null, columns.map((c, i) => (i === 0 ? h('th', { scope: 'row', class: cls(c) }, c.cell(row)) : h('td', { class: cls(c) }, c.cell(row))))))),
      sums ? h('tfoot', null, h('tr', null, columns.map((c, i) => (i === 0 ? h('th', { scope: 'row' }, c.sum) : h('td', { class: cls(c) }, c.sum ?? ''))))) : null));
}

export function figures(...pairs) {
  return h('dl', { class: 'figures' }, pairs.filter(Boolean).map(([name, value, small]) => h('div', null, h('dt', null, name), h('dd', null, value, small ? h('small', null, small) : null))));
}

// What to do where there is nothing.
export function empty(title, text, command) {
  return h('div', { class: 'empty card' }, h('strong', null, title), h('p', null, text), command ? h('pre', null, command) : null);
}

export function problem(error) {
  return h('div', { class: 'problem', role: 'alert' }, h('strong', null, error.message || String(error)), error.hint ? h('span', null, error.hint) : null);
}

// Replaces the children of a live part, and gives the focus back to what had it (by its data-at, or its place among links).
export function swap(parent, ...children) {
  const had = parent.contains(document.activeElement) ? document.activeElement : null;
  const focusable = () => [...parent.querySelectorAll('a, button, summary, input, select, [tabindex]')];
  const place = had ? focusable().indexOf(had) : -1;
  const scrolled = [...parent.querySelectorAll('.scroll')].map((e) => e.scrollLeft);
  parent.replaceChildren(...children.flat(Infinity).filter(Boolean));
  [...parent.querySelectorAll('.scroll')].forEach((e, i) => { if (scrolled[i]) e.scrollLeft = scrolled[i]; });
  if (place >= 0) focusable()[place]?.focus({ preventScroll: true });
}
