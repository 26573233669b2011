// The token that a node may ask for. It comes with the address (#token=… or ?token=…) or is typed in, and is kept while this tab lives.

const $ = id => document.getElementById(id);
const waiting = new Set();  // who wants to be told of a new one
let token = '';

/** A path with the token in its query, which is the only place where a browser's WebSocket can have it. */
export function withToken(path) {
  return token ? `${path}?token=${encodeURIComponent(token)}` : path;
}

/** Is there one? */
export const hasToken = () => token !== '';

/**
 * Why the node refuses a path: { id, detail }, where ids of what is wrong with the token begin with 'token'; null: it doesn't, or can't be
 * asked. A browser tells a page nothing about a WebSocket that was refused; the node tells whoever asks for the same path by HTTP.
 */
export async function refusal(path) {
  try {
    const answer = await fetch(withToken(path),  // reconnecting waits for it
      { headers: { Accept: 'application/problem+json' }, cache: 'no-store', signal: AbortSignal.timeout(10_000) });
    const text = await answer.text();
    const type = answer.headers.get('Content-Type') ?? '';
    if (type.startsWith('text/plain')) return { id: '', detail: text.split('\n')[2] ?? '' };  // it had not read that we want JSON
    const { rules } = JSON.parse(text);
    return rules.find(rule => rule.id.startsWith('token')) ?? (answer.status === 426 ? null : rules[0]);
  } catch {
    return null;
  }
}

/** Asks for a token, saying why ('': it just waits for one); `then` is called once, when there is another. */
export function askForToken(why, then) {
  waiting.add(then);
  if (!why) return;
  $('why').textContent = why;
  $('token').hidden = false;
}

/** Links to what wants the token, too, carry it: a browser asks for them by itself, and sends no field of ours. */
function lendToLinks() {
  for (const link of document.querySelectorAll('a[data-guarded]')) link.href = withToken(link.dataset.guarded);
}

function use(text) {
  token = text.trim();
  lendToLinks();
  document.dispatchEvent(new Event('token'));
  try { sessionStorage.setItem('wye.token', token); } catch { /* until this page is left, then */ }
  $('token').hidden = true;
  $('token-text').value = '';
  const told = [...waiting];
  waiting.clear();
  for (const then of told) then();
}

/** Takes a token out of the address, where it would be seen, and copied along. */
function takeFromAddress() {
  const query = new URLSearchParams(location.search);
  const given = new URLSearchParams(location.hash.slice(1)).get('token') ?? query.get('token');
  if (given === null) return;
  query.delete('token');
  const rest = String(query);
  history.replaceState(null, '', location.pathname + (rest && `?${rest}`));
  use(given);
}

try { token = sessionStorage.getItem('wye.token') ?? ''; } catch { /* none is kept, then */ }
takeFromAddress();
lendToLinks();
addEventListener('hashchange', takeFromAddress);
$('token').addEventListener('submit', event => {
  event.preventDefault();
  if ($('token-text').value.trim()) use($('token-text').value);
});
