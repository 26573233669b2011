// The chat. First the WebSocket, which is all that a client needs; then what is said over it.

import { askForToken, refusal, withToken } from './token.js';

/**
 * Keeps one WebSocket open for as long as the page lives. `path` is beside this page.
 * on.open(), on.message(data), on.told(why the node ended or refused it), on.state('connecting' | 'live', or 'waiting', ms until the next try,
 * or 'refused', 0, why: until there is another token). on.optional: a token that doesn't cover it is as good.
 * quiet(): after so many ms without any message the line is taken for dead; 0: never. Returns send(text).
 */
export function connect(path, on, quiet) {
  let ws, gone, retry, steady, silence, lived, failures = 0;

  function open() {
    on.state('connecting');
    const mine = ws = new WebSocket(socketURL(withToken(path)));
    lived = gone = false;
    expect(10_000);

    ws.onopen = () => {
      lived = true;
      steady = setTimeout(() => { failures = 0; }, 5_000);
      expect(quiet());
      on.state('live');
      on.open?.();
    };
    ws.onmessage = event => {
      expect(quiet());
      on.message(event.data);
    };
    ws.onclose = ({ code, reason }) => ended(mine, code, reason);
  }

  async function ended(mine, code, reason) {
    gone = true;
    clearTimeout(steady);
    clearTimeout(silence);
    const why = lived && code !== 1008 ? null : await refusal(path);
    if (ws !== mine) return;  // somebody hurried
    if (why?.id.startsWith('token')) {
      on.state('refused', 0, why.detail);
      askForToken(on.optional && why.id === 'token-scope' ? '' : why.detail, () => ws === mine && open());
      return;
    }
    // Exponential back-off with full jitter: a restarted node isn't trampled.
    const wait = Math.random() * Math.min(10_000, 1_000 * 2 ** failures++);
    retry = setTimeout(open, wait);
    if (reason || why) on.told?.(reason || why.detail);
    on.state('waiting', wait);
  }

  function expect(ms) {
    clearTimeout(silence);
    if (ms) silence = setTimeout(giveUp, ms);
  }

  // The line is dead. Closing it alone would not do: a browser waits long for the other side's close.
  function giveUp() {
    const mine = ws;
    mine.onopen = mine.onmessage = mine.onclose = null;
    mine.close();
    ended(mine, 1006, '');
  }

  function hurry() {
    if (!gone) return;
    clearTimeout(retry);
    open();
  }
  addEventListener('online', hurry);
  document.addEventListener('visibilitychange', () => document.hidden || hurry());
  open();

  return text => {
    if (ws.readyState !== WebSocket.OPEN) return false;
    ws.send(text);
    return true;
  };
}

/** ws://… or wss://…, as this page itself came over http or https. */
export function socketURL(path) {
  const url = new URL(path, location);
  url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

// What is said over it. /chat gives every message, byte for byte, to all who are connected, its sender
// included; the node keeps nothing and knows no names. So these four JSON messages are the whole protocol:
//
//   {"type":"hello","id","name"}         I have just connected: who is here?
//   {"type":"here", "id","name"}         I am here, by this name (an answer, a new name, a sign of life)
//   {"type":"say",  "id","name","text"}  a line for the log
//   {"type":"bye",  "id"}                I am leaving
//
// Text that isn't JSON is a line from a guest, so that three lines of code can join in.
// Anything else is ignored.

const $ = id => document.getElementById(id);
const me = Math.random().toString(36).slice(2, 10);
const people = new Map();  // id -> { name, seen }
const unconfirmed = [];    // our own lines that haven't come back yet
const MOST_PEOPLE = 2_000, MOST_LINES = 200, NAMES_SHOWN = 12;
const ONLY_LISTENS = 'This token lets you listen here, not speak.';
let subscribers;           // what the node counts, while it tells us (node.js)
let mute = false;          // the token lets us listen, not speak
let lines = [], following = true, size, drawing, drawingPeople, ticking;

people.set(me, { name: cleanName(recall()) || randomName(), seen: Infinity });

const send = connect('chat', { open: () => tell('hello'), message: receive, state: showState, told },
  () => mute ? 0 : 150_000);  // who may not speak doesn't hear itself
const tell = (type, more) => !mute && send(JSON.stringify({ type, id: me, name: people.get(me).name, ...more }));

function told(reason) {
  if (reason.includes('may not publish')) mute = true;
  else hint(reason);
}

function receive(data) {
  const message = parse(data);
  if (!message) return;
  const { type, id, name, text } = message;
  if (type === 'say') {
    if (id === me) unconfirmed.splice(0, unconfirmed.indexOf(text) + 1);
    queueLine(id, name, text);
  }
  if (!id || id === me) return;
  if (type === 'bye') people.delete(id);
  else if (people.has(id) || people.size < MOST_PEOPLE) people.set(id, { name, seen: Date.now() });
  if (type === 'hello') answer();
  if (type === 'here') heard++;
  drawPeopleSoon();
}

function parse(data) {
  if (typeof data !== 'string' || data.length > 16_000) return null;
  if (!/^\s*[[{]/.test(data)) data = JSON.stringify({ type: 'say', id: '', name: 'guest', text: data });
  try {
    const { type, id, name, text } = JSON.parse(data);
    const line = clean(text, 2_000);
    if (!['hello', 'here', 'say', 'bye'].includes(type) || (type === 'say' && !line)) return null;
    if (typeof id !== 'string' || !/^[a-z0-9]{0,16}$/.test(id)) return null;
    return { type, id, name: cleanName(name) || 'someone', text: line };
  } catch {
    return null;
  }
}

function clean(value, most) {
  return typeof value === 'string' ? [...value.replace(/\p{Cc}+/gu, ' ').trim()].slice(0, most).join('').trim() : '';
}

function cleanName(value) {  // nor zero-width or direction marks
  return clean(typeof value === 'string' ? value.replace(/\p{Cf}/gu, '') : '', 24);
}

// Presence stays light in a crowd. A newcomer hears whatever is sent after its hello, so a `here` answers all
// newcomers at once; we send at most one per window, none when enough others did, and both the window and the
// beat grow with the room. A thousand people: some 25 answers to a newcomer, and 4 signs of life a second in all.
const ENOUGH = 24;
let heard = 0, answering;

function answer() {
  heard = 0;
  answering ??= setTimeout(() => {
    answering = undefined;
    if (heard < ENOUGH) tell('here');
  }, Math.random() * (200 + 10 * people.size));
}

const beat = () => 45_000 + 250 * people.size;
(function live() {
  setTimeout(() => { tell('here'); live(); }, beat() * (0.75 + Math.random() / 2));
})();
setInterval(() => {
  const limit = Date.now() - 3 * beat();
  for (const [id, { seen }] of people) if (seen < limit) people.delete(id);
  drawPeopleSoon();
}, 10_000);

addEventListener('pagehide', () => tell('bye'));
addEventListener('pageshow', event => event.persisted && tell('hello'));

/** node.js tells how many the node counts on this topic; undefined when it can't say. */
export function crowd(count) {
  if (subscribers === count) return;
  subscribers = count;
  drawPeopleSoon();
}

// The page. All that comes from others is set as textContent.

function queueLine(id, name, text) {
  lines.push({ id, name, text, at: new Date() });
  if (lines.length > MOST_LINES) lines.shift();
  drawing ??= setTimeout(drawLines, 30);
}

function drawLines() {
  const log = $('log');
  for (const { id, name, text, at } of lines) {
    const item = element('li', id === me ? 'mine' : '');
    const who = element('bdi', 'who', name), what = element('p', 'what', text);
    const time = element('time', '', at.toTimeString().slice(0, 5));
    const above = log.lastElementChild;
    what.dir = 'auto';
    time.dateTime = at.toISOString();
    item.dataset.from = name;
    if (id) item.dataset.hue = hue(id);
    item.dataset.minute = time.textContent;
    if (above?.dataset.from === name && above.dataset.hue === item.dataset.hue) item.classList.add('same');
    if (above?.dataset.minute === time.textContent) time.className = 'same';
    item.append(who, what, time);
    log.append(item);
  }
  while (log.children.length > MOST_LINES) log.firstElementChild.remove();
  log.firstElementChild.classList.remove('same');
  lines = [];
  drawing = undefined;
  if (following) follow();
  else $('newer').hidden = false;
}

function follow() {
  $('scroll').scrollTop = $('scroll').scrollHeight;
}

function drawPeopleSoon() {
  drawingPeople ??= setTimeout(() => { drawingPeople = undefined; drawPeople(); }, 150);
}

function drawPeople() {
  const count = subscribers ?? people.size;
  const shown = [...people].slice(0, NAMES_SHOWN).map(([id, { name }]) => {
    const item = element('li', id === me ? 'mine' : '');
    item.append(element('bdi', '', name), id === me ? ' (you)' : '');
    item.dataset.hue = hue(id);
    return item;
  });
  const more = Math.max(count, people.size) - shown.length;
  if (more > 0) shown.push(element('li', 'more', `and ${more.toLocaleString('en')} more`));
  $('people').textContent = count.toLocaleString('en');
  $('names').replaceChildren(...shown);
}

function showState(state, ms = 0) {
  const until = Date.now() + ms;
  const tick = () => {
    const seconds = Math.max(1, Math.ceil((until - Date.now()) / 1_000));
    $('wait').textContent = state === 'waiting' ? ` in ${seconds} s` : '';
  };
  clearInterval(ticking);
  if (state === 'waiting') ticking = setInterval(tick, 250);
  if ((state === 'waiting' || state === 'refused') && unconfirmed.length) {  // sent, but never came back: not lost
    $('text').value = [...unconfirmed.splice(0), $('text').value].filter(Boolean).join(' ');
    hint('The line broke before this came back. It is in the box again.');
  }
  if (state === 'refused') mute = false;  // another token may do more
  if (state === 'live' && (mute || !$('text').value)) hint(mute ? ONLY_LISTENS : '');
  $('state').dataset.state = document.body.dataset.state = state;
  $('word').textContent = state === 'waiting' ? 'reconnecting' : state;
  tick();
}

$('say').addEventListener('submit', event => {
  event.preventDefault();
  const text = clean($('text').value, 2_000);
  $('text').focus();
  if (!text) return;
  if (!tell('say', { text })) return hint(mute ? ONLY_LISTENS : 'Not connected: your message stays in the box.');
  unconfirmed.push(text);
  $('text').value = '';
  hint('');
  follow();
});

$('name').value = people.get(me).name;
$('name').addEventListener('change', () => {
  const name = cleanName($('name').value) || people.get(me).name;
  $('name').value = people.get(me).name = remember(name);
  tell('here');
  drawPeopleSoon();
});
$('name').addEventListener('keydown', event => {
  if (event.key === 'Enter') $('text').focus();  // leaving the field is what renames
});

$('newer').addEventListener('click', () => { follow(); $('text').focus(); });
$('scroll').addEventListener('scroll', ({ target: view }) => {
  if (view.offsetWidth + 'x' + view.offsetHeight !== size) return;  // not a reader's doing
  following = view.scrollHeight - view.scrollTop - view.clientHeight < 60;
  if (following) $('newer').hidden = true;
});
new ResizeObserver(([{ target: view }]) => {
  size = view.offsetWidth + 'x' + view.offsetHeight;
  if (following) follow();
}).observe($('scroll'));
drawPeople();

function hint(text) {
  $('hint').textContent = text;
}

function element(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function hue(id) {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.charCodeAt(0)) % 6_151;
  return sum % 8;
}

function recall() {
  try { return localStorage.getItem('wye.name'); } catch { return null; }
}

function remember(name) {
  try { localStorage.setItem('wye.name', name); } catch { /* until this page is left, then */ }
  return name;
}

function randomName() {
  const one = list => list[Math.floor(Math.random() * list.length)];
  return remember(one(['Amber', 'Quiet', 'Northern', 'Early', 'Copper', 'Winding', 'Silver', 'Distant', 'Evening', 'Brisk',
    'Coastal', 'Patient']) + ' ' + one(['Signal', 'Junction', 'Sleeper', 'Express', 'Viaduct', 'Tender', 'Platform',
    'Lantern', 'Shunter', 'Railcar', 'Pointsman', 'Turntable']));
}
