// The echo server of npm's ws, for comparisons: node echo_ws.js PORT [deflate] (NODE_PATH=/usr/share/nodejs for Debian's node-ws).
'use strict';
const { WebSocketServer } = require('ws');
const [port, deflate] = process.argv.slice(2);
const server = new WebSocketServer({ host: '127.0.0.1', port: Number(port), path: '/echo', perMessageDeflate: deflate === 'deflate' });
server.on('listening', () => console.log('listening'));
server.on('connection', socket => {
  socket.on('error', () => {});
  socket.on('message', (data, binary) => socket.send(data, { binary }));
});
