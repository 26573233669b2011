// Node's ws against the node under test. usage: node_ws.js ws://127.0.0.1:PORT MODE [WORDS]   (run by clients.py)
// MODE: how the node compresses, shared or takeover. WORDS: only tests with these words in their names.
'use strict';
const WebSocket = require('ws');
const assert = require('assert');
const crypto = require('crypto');

const [base, mode, words = ''] = process.argv.slice(2);
const MIB = 1 << 20;
const tests = [];
const test = (name, run) => tests.push([name, run]);

const open = (path, options = {}) => new Promise((resolve, reject) => {
  const ws = new WebSocket(base + path, { perMessageDeflate: false, maxPayload: 32 * MIB, ...options });
  ws.inbox = [];
  ws.waiting = [];
  ws.on('message', (data, isBinary) => {
    const taker = ws.waiting.shift();
    taker ? taker([data, isBinary]) : ws.inbox.push([data, isBinary]);
  });
  ws.closed = new Promise(done => ws.on('close', (code, reason) => done([code, reason.toString()])));
  ws.on('open', () => resolve(ws));
  ws.on('error', reject);
});
const next = ws => ws.inbox.length ? Promise.resolve(ws.inbox.shift()) : new Promise(taker => ws.waiting.push(taker));
const within = (seconds, promise) => {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`took longer than ${seconds} s`)), seconds * 1000); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};
const echoed = async (ws, data) => {
  ws.send(data);
  const [got, isBinary] = await next(ws);
  assert.strictEqual(isBinary, typeof data !== 'string');
  assert(got.equals(Buffer.from(data)), `${got.length} bytes came back, not the ${Buffer.byteLength(data)} that were sent`);
};

test('ws: text, binary and empty messages are echoed', async () => {
  const ws = await open('/echo');
  for (const data of ['hello', 'grüß 水 😀', '', Buffer.from([0, 255, 128]), Buffer.alloc(0), crypto.randomBytes(125), crypto.randomBytes(126), crypto.randomBytes(65535), crypto.randomBytes(65536)])
    await echoed(ws, data);
  ws.close(1000);
  assert.deepStrictEqual(await ws.closed, [1000, '']);
});

test('ws: messages of 1 MiB and 16 MiB are echoed', async () => {
  const ws = await open('/echo');
  await echoed(ws, crypto.randomBytes(MIB));
  await echoed(ws, 'x'.repeat(MIB));
  await echoed(ws, crypto.randomBytes(16 * MIB));
  ws.close(1000);
  assert.strictEqual((await ws.closed)[0], 1000);
});

test('ws: fragments are put together, with pings between them', async () => {
  const ws = await open('/echo');
  let pongs = 0;
  ws.on('pong', () => pongs++);
  for (const part of ['one ', 'two ', '', 'three ']) {
    ws.send(part, { fin: false });
    ws.ping('between');
  }
  ws.send('four', { fin: true });
  assert.strictEqual((await next(ws))[0].toString(), 'one two three four');
  assert.strictEqual(pongs, 4);
  const big = crypto.randomBytes(MIB);
  for (let at = 0; at < MIB; at += 10007) ws.send(big.subarray(at, at + 10007), { fin: at + 10007 >= MIB });
  assert((await next(ws))[0].equals(big));
  ws.close(1000);
  await ws.closed;
});

test('ws: pings are answered with their payload', async () => {
  const ws = await open('/echo');
  for (const payload of ['', 'x', 'y'.repeat(125)]) {
    const pong = new Promise(done => ws.once('pong', done));
    ws.ping(payload);
    assert.strictEqual((await pong).toString(), payload);
  }
  ws.terminate();
});

test('ws: close codes are echoed', async () => {
  for (const code of [1000, 1001, 1008, 1011, 3000, 4000, 4999]) {
    const ws = await open('/echo');
    ws.close(code, 'because');
    assert.strictEqual((await ws.closed)[0], code);
  }
});

test('ws: a thousand messages in one go come back in order', async () => {
  const ws = await open('/echo');
  for (let i = 0; i < 1000; i++) ws.send(`${i}`);
  for (let i = 0; i < 1000; i++) assert.strictEqual((await next(ws))[0].toString(), `${i}`);
  ws.close(1000);
  await ws.closed;
});

test('ws: compressed messages are echoed', async () => {
  const ws = await open('/echo', { perMessageDeflate: { threshold: 0 } });
  for (let i = 0; i < 100; i++) await echoed(ws, i % 2 ? `compressible ${i} `.repeat(i) : Buffer.from(`${i} bytes `.repeat(i)));
  await echoed(ws, crypto.randomBytes(MIB));
  ws.close(1000);
  await ws.closed;
});

// Every option that ws has for permessage-deflate, alone and together.
const bits = [8, 9, 10, 11, 12, 13, 14, 15];
const deflates = [
  {}, { serverNoContextTakeover: true }, { serverNoContextTakeover: false }, { clientNoContextTakeover: true }, { serverNoContextTakeover: true, clientNoContextTakeover: true },
  ...bits.map(serverMaxWindowBits => ({ serverMaxWindowBits })), ...bits.map(clientMaxWindowBits => ({ clientMaxWindowBits })), { clientMaxWindowBits: true },
  { serverMaxWindowBits: 9, clientMaxWindowBits: 9, serverNoContextTakeover: true, clientNoContextTakeover: true }, { serverMaxWindowBits: 12, clientMaxWindowBits: 10 },
  { zlibDeflateOptions: { level: 9, memLevel: 9, chunkSize: 1024 } }, { zlibDeflateOptions: { level: 0 } }, { zlibDeflateOptions: { level: 1, memLevel: 1 } }, { zlibInflateOptions: { chunkSize: 100 } },
  { threshold: 1000 }, { concurrencyLimit: 1 },
];
const prose = count => 'It is a truth universally acknowledged, 水が流れる, grüß dich! '.repeat(count / 40 + 1).slice(0, count);

for (const options of deflates)
  test(`ws: compressed and fragmented messages both ways with ${JSON.stringify(options)}`, async () => {
    const ws = await open('/echo', { perMessageDeflate: { threshold: 0, ...options } });
    assert.strictEqual(ws.extensions.startsWith('permessage-deflate'), options.serverMaxWindowBits !== 8, ws.extensions); // zlib can't do 8
    for (const data of ['hello', '', prose(100), prose(5000), prose(5000), Buffer.from(prose(70000)), prose(300000), crypto.randomBytes(70000)]) await echoed(ws, data);
    for (const size of [1, 7, 1000]) {
      const text = prose(size * 5);
      for (let i = 0; i < 5; i++) ws.send(text.slice(i * size, i * size + size), { fin: i === 4 });
      assert.strictEqual((await next(ws))[0].toString(), text);
    }
    const before = ws._socket.bytesRead;
    await echoed(ws, prose(100000));
    if (ws.extensions) assert(ws._socket.bytesRead - before < 20000, `${ws._socket.bytesRead - before} bytes came for 100,000 that compress well`);
    ws.close(1000);
    assert.strictEqual((await ws.closed)[0], 1000);
  });

test('ws: a client that insists on its context is content with --deflate takeover, and not with shared', async () => {
  const opening = open('/echo', { perMessageDeflate: { threshold: 0, clientNoContextTakeover: false } });
  if (mode === 'takeover') {
    const ws = await opening;
    for (let i = 0; i < 20; i++) await echoed(ws, prose(2000 + i));
    ws.close(1000);
    await ws.closed;
  } else {
    await assert.rejects(opening, /Sec-WebSocket-Extensions/);
  }
});

test('ws: what it does not compress comes back in fragments on a connection that compresses', async () => {
  const ws = await open('/echo', { perMessageDeflate: { threshold: 32 * MIB } });
  for (const data of ['small', prose(3 * MIB), crypto.randomBytes(5 * MIB)]) await echoed(ws, data);
  const big = crypto.randomBytes(3 * MIB);
  for (let at = 0; at < big.length; at += 100003) ws.send(big.subarray(at, at + 100003), { fin: at + 100003 >= big.length });
  assert((await next(ws))[0].equals(big));
  ws.close(1000);
  await ws.closed;
});

test('ws: a topic carries compressed and plain messages to both kinds of subscribers', async () => {
  const members = await Promise.all([{ threshold: 0 }, false, { threshold: 0, serverMaxWindowBits: 9 }, { threshold: 0, serverNoContextTakeover: true }]
    .map(perMessageDeflate => open('/topic/js-deflate', { perMessageDeflate })));
  for (const [sender, data] of [[0, prose(10000)], [1, prose(20000)], [2, prose(50)], [3, prose(200000)], [1, prose(3)]]) {
    members[sender].send(data);
    for (const ws of members) assert.strictEqual((await next(ws))[0].toString(), data);
  }
  for (const ws of members) ws.close(1000);
  await Promise.all(members.map(ws => ws.closed));
});

test('ws: a topic reaches all its subscribers, and not its sender with ?noecho', async () => {
  const [a, b, c, other] = await Promise.all([open('/topic/js'), open('/topic/js'), open('/topic/js?noecho'), open('/topic/js2')]);
  c.send('from c');
  for (const ws of [a, b]) assert.strictEqual((await next(ws))[0].toString(), 'from c');
  a.send(Buffer.from([1, 2, 3]));
  for (const ws of [a, b, c]) {
    const [data, isBinary] = await next(ws);
    assert(isBinary && data.equals(Buffer.from([1, 2, 3])));
  }
  assert.strictEqual(other.inbox.length + c.inbox.length, 0);
  for (const ws of [a, b, c, other]) ws.close(1000);
  await Promise.all([a, b, c, other].map(ws => ws.closed));
});

test('ws: a refusal arrives as a status with a sentence', async () => {
  const [status, text] = await new Promise((done, reject) => {
    const ws = new WebSocket(base + '/echo', { origin: 'https://evil.example' });
    ws.on('unexpected-response', (_, response) => {
      let text = '';
      response.on('data', data => { text += data; });
      response.on('end', () => done([response.statusCode, text]));
    });
    ws.on('open', () => reject(new Error('it was let in')));
    ws.on('error', reject);
  });
  assert.strictEqual(status, 403);
  assert(text.includes('--origin'), text);
});

(async () => {
  let failed = 0;
  for (const [name, run] of tests.filter(([name]) => name.includes(words))) {
    try {
      await within(20, run());
      console.log(`ok   ${name}`);
    } catch (trouble) {
      failed++;
      console.log(`FAIL ${name}\n     ${String(trouble && trouble.stack || trouble).replace(/\n/g, '\n     ')}`);
    }
  }
  process.exit(failed ? 1 : 0);
})();
