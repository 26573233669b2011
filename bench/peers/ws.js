// npm's ws, for comparisons: node ws.js PORT [deflate] (NODE_PATH=/usr/share/nodejs for Debian's node-ws). /topic/NAME sends a
// message to everybody else there, /echo sends it back.
'use strict';
const { WebSocketServer } = require('ws');

function hasBufferutil() {
  try {
    require('bufferutil');
    return true;
  } catch {
    return false;
  }
}

const [port, deflate] = process.argv.slice(2);
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

const server = new WebSocketServer({ host: '127.0.0.1', port: Number(port), perMessageDeflate: deflate === 'deflate' });
server.shouldHandle = request => /^\/(echo(\?|$)|topic\/)/.test(request.url);
server.on('listening', () => console.log(`listening on ${port}`));
server.on('connection', (socket, request) => {
  socket.on('error', () => {});
  if (request.url.startsWith('/topic/')) join(request.url, socket);
  else socket.on('message', (data, binary) => socket.send(data, { binary }));
});
