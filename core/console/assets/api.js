// Answers of the console's API and of REST, with errors that say what to do.

export class Problem extends Error {
  constructor(status, message, hint) { super(message); this.status = status; this.hint = hint; }
}

export async function get(path, signal) {
  let response;
  try {
    response = await fetch(path, { signal, headers: { Accept: 'application/json' }, credentials: 'same-origin' });
  } catch (e) {
    if (e.name === 'AbortError') throw e;
    throw new Problem(0, 'This instance cannot be reached.', 'It may be restarting: the page tries again by itself. Another instance shows the same cluster.');
  }
  let body = {};
  try { body = await response.json(); } catch (e) { if (e.name === 'AbortError') throw e; }
  if (response.ok) return body;
  const message = body.error || body.message || `The instance answered ${response.status}.`;
  throw new Problem(response.status, message.charAt(0).toUpperCase() + message.slice(1) + '.', hint(response.status, body.hint));
}

function hint(status, given) {
  if (given) return given.charAt(0).toUpperCase() + given.slice(1) + '.';
  if (status === 401) return 'Reload the page and sign in.';
  if (status === 403) return 'Ask for an ACL that allows it: Describe on groups and topics.';
  if (status === 404) return 'It may have been deleted. Go back to the list.';
  return 'The page tries again by itself; the log of the instance says more.';
}

export const part = encodeURIComponent;
const api = (path, signal) => get('/console/api/' + path, signal);

export const cluster = (signal) => api('cluster', signal);
export const topics = (signal) => api('topics', signal);
export const topic = (name, signal) => api('topics/' + part(name), signal);
export const messages = (name, query, signal) => api(`topics/${part(name)}/messages?${new URLSearchParams(query)}`, signal);
export const storage = (name, n, signal) => api(`topics/${part(name)}/partitions/${n}/storage`, signal);
export const instances = (signal) => api('instances', signal);
export const cost = (signal) => api('cost', signal);

let id = null;
async function rest(path, signal) {
  id ||= (await cluster(signal)).id;
  try {
    return await get(`/v3/clusters/${part(id)}/${path}`, signal);
  } catch (e) {
    if (e.status === 404) id = null; // restored meanwhile: it has another id
    throw e;
  }
}
export const configs = (name, signal) => rest(`topics/${part(name)}/configs`, signal);
export const groups = (signal) => rest('consumer-groups', signal);
export const group = (name, signal) => rest(`consumer-groups/${part(name)}`, signal);
export const members = (name, signal) => rest(`consumer-groups/${part(name)}/consumers`, signal);
export const lags = (name, signal) => rest(`consumer-groups/${part(name)}/lags`, signal);
export const lagSum = (name, signal) => rest(`consumer-groups/${part(name)}/lag-summary`, signal);
