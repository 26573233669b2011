// The node's own counters, moving: one JSON message a second from the topic $wye/stats.
// The counters only ever grow, so a rate is the difference between two messages.

import { connect, crowd, socketURL } from './chat.js';
import { hasToken } from './token.js';

const $ = id => document.getElementById(id);
const SECONDS = 60, MOST_TOPICS = 10;
const history = [];  // messages in per second, the newest last
let before, at = 0;

connect('topic/$wye/stats', { message, state, optional: true }, () => 15_000);

function state(now, ms, why = '') {
  $('node').dataset.state = now;
  $('node-why').textContent = why;
  if (now !== 'waiting' && now !== 'refused') return;
  before = undefined;
  crowd(undefined);
}

function message(data) {
  let stats;
  try { stats = JSON.parse(data); } catch { return; }
  if (typeof stats !== 'object' || !stats) return;
  const topics = Array.isArray(stats.topics) ? stats.topics.filter(topic => typeof topic?.name === 'string') : [];
  const chat = topics.find(topic => topic.name === 'chat');
  crowd(chat ? number(chat.subscribers) : undefined);

  if (before && number(stats.uptime_s) < number(before.uptime_s)) before = undefined;  // another node answers
  const now = performance.now(), seconds = Math.max(1, Math.round((now - at) / 1_000));
  const past = before;
  const rate = (is, was) => past && Math.max(0, number(is) - number(was)) / seconds;
  const speed = field => rate(stats[field], past?.[field]);

  if (past) history.push(speed('messages_in'));
  if (history.length > SECONDS) history.shift();
  before = stats;
  at = now;
  if (document.hidden && past) return;  // nobody looks: keep counting, don't draw

  for (const field of ['connections', 'upgrades', 'refusals']) put(field, whole(stats[field]), number(stats[field]));
  for (const field of ['messages_in', 'messages_out', 'deliveries', 'sends', 'bytes_in', 'bytes_out']) {
    const id = field.replace('_', '-'), inBytes = id.startsWith('bytes');
    put(id, (inBytes ? bytes : whole)(stats[field]), number(stats[field]));
    put('rate-' + id, (inBytes ? bytes : perSecond)(speed(field)), speed(field));
  }
  put('rate-in', perSecond(speed('messages_in')), speed('messages_in'));
  put('uptime', duration(number(stats.uptime_s)), number(stats.uptime_s));
  put('version', String(stats.version ?? '').slice(0, 24));
  put('loops', number(stats.loops) === 1 ? '1 loop' : `${whole(stats.loops)} loops`);
  const each = number(stats.sends) / number(stats.deliveries);
  put('per-delivery', Number.isFinite(each) ? each.toFixed(each < 0.1 ? 3 : 2) : '–', each);

  drawTopics(topics, number(stats.topics_total));
  drawSpark();
}

function drawTopics(topics, total) {  // their rates are the node's own, smoothed over window_s
  topics.sort((a, b) => number(b.subscribers) - number(a.subscribers) || (a.name < b.name ? -1 : 1));
  const rows = topics.slice(0, MOST_TOPICS).map(topic => {
    const row = document.createElement('tr'), name = document.createElement('th');
    name.scope = 'row';
    name.textContent = topic.name.length > 48 ? topic.name.slice(0, 47) + '…' : topic.name;
    row.dataset.topic = topic.name;
    row.append(name);
    for (const text of [whole(topic.subscribers), perSecond(topic.per_second?.messages), whole(topic.messages)])
      row.insertCell().textContent = text;
    return row;
  });
  $('topics').replaceChildren(...rows);
  const more = total - rows.length;
  $('more-topics').textContent = more > 0 ? `and ${whole(more)} more` : '';
}

function drawSpark() {  // 60 steps wide, 30 high
  const top = Math.max(1, ...history);
  const points = history.map((value, i) => `${SECONDS - history.length + i},${(29 - 27 * value / top).toFixed(1)}`);
  $('line').setAttribute('points', points.join(' '));
  $('area').setAttribute('points', points.length ? [`${SECONDS - history.length},30`, ...points, '59,30'].join(' ') : '');
  $('peak').textContent = history.length ? perSecond(Math.max(...history)) : '–';
}

function put(id, text, value) {
  $(id).textContent = text;
  if (value !== undefined) $(id).dataset.value = value;
}

function number(value) {
  return Number.isFinite(value) ? value : 0;
}

function whole(value) {
  value = number(value);
  return value < 1e9 ? Math.round(value).toLocaleString('en') : (value / 1e9).toFixed(2) + ' G';
}

function perSecond(value) {
  if (value === undefined) return '–';
  return value < 10 && value % 1 ? value.toFixed(1) : whole(value);
}

function bytes(value) {
  if (value === undefined) return '–';
  let size = number(value), unit = 0;
  for (; size >= 999.5 && unit < 5; unit++) size /= 1_000;
  return `${size.toFixed(unit && size < 9.95 ? 1 : 0)} ${['B', 'kB', 'MB', 'GB', 'TB', 'PB'][unit]}`;
}

function duration(seconds) {
  const days = Math.floor(seconds / 86_400);
  const two = unit => String(Math.floor(seconds / unit) % 60).padStart(2, '0');
  return (days ? `${days} d ` : '') + `${String(Math.floor(seconds / 3_600) % 24).padStart(2, '0')}:${two(60)}:${two(1)}`;
}

// Try it: the same client for any other page, with this node's address.
function showClients() {
  $('snippet').textContent = `const ws = new WebSocket('${socketURL('chat')}${hasToken() ? '?token=TOKEN' : ''}');
ws.onmessage = e => console.log(e.data);
ws.onopen = () => ws.send('hello');`;
  $('curl').textContent = `curl ${hasToken() ? "-H 'Authorization: Bearer TOKEN' " : ''}${new URL('topics', location).href}`;
}
showClients();
document.addEventListener('token', showClients);

for (const button of document.querySelectorAll('button[data-copies]')) {
  button.addEventListener('click', async () => {
    const source = $(button.dataset.copies);
    getSelection().selectAllChildren(source);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = 'Copied';
    } catch {  // no clipboard without https: the text is selected, at least
      button.textContent = 'Selected';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 1_500);
  });
}
