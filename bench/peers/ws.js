// npm's ws, for comparisons: node ws.js PORT [deflate | tls] (NODE_PATH=/usr/share/nodejs for Debian's node-ws). /topic/NAME
// sends a message to everybody else there, /echo sends it back. tls: with cert.pem and key.pem beside the program.
'use strict';
const { readFileSync } = require('fs');
const https = require('https');
const { WebSocketServer } = require('ws');

function hasBufferutil() {
  try {
    require('bufferutil');
    return true;
  } catch {
    return false;
  }
}

const [port, word] = process.argv.slice(2);
if (port === '--version') {
  const native = hasBufferutil() ? ' with bufferutil' : '';
  console.log(`ws ${require('ws/package.json').version}${native}, node ${process.versions.node}`);
  process.exit();
}
const topics = new Map();

function join(path, socket) {
  if (!topics.has(path)) topics.set(path, new Set());
  const topic = topics.get(path);
  topic.add(socket);
  socket.on('close', () => topic.delete(socket));
  socket.on('message', (data, binary) => {
    for (const other of topic) if (other !== socket) other.send(data, { binary });
  });
}

const file = name => readFileSync(`${__dirname}/${name}.pem`);
// Node's own order would choose AES-256 from what is offered; the others choose AES-128.
const ciphers = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
const where = { host: '127.0.0.1', port: Number(port) };
const secure = word === 'tls' && https.createServer({ cert: file('cert'), key: file('key'), ciphers }).listen(where);
const server = new WebSocketServer({ ...(secure ? { server: secure } : where), perMessageDeflate: word === 'deflate' && { zlibDeflateOptions: { level: 1 } } });
server.shouldHandle = request => /^\/(echo(\?|$)|topic\/)/.test(request.url);
server.on('listening', () => console.log(`listening on ${port}`));
server.on('connection', (socket, request) => {
  socket.on('error', () => {});
  if (request.url.startsWith('/topic/')) join(request.url, socket);
  else socket.on('message', (data, binary) => socket.send(data, { binary }));
});
