// uWebSockets.js, for comparisons: node uws.js PORT [deflate | tls]. /topic/NAME sends a message to everybody else there, /echo sends
// it back. Its limits are raised where a message of 16 KiB, or sixteen to ten thousand, would meet them.
'use strict';
process.env.UWS_USE_FALLBACK = 'false';
const name = '@trufflesuite/uws-js-unofficial';
const uws = require(name);
const native = Object.keys(require.cache).some(file => file.endsWith('.node'));
const [port, word] = process.argv.slice(2);
if (!native) {
  console.error(`${name} has no native module for this node; its fallback is not uWebSockets`);
  process.exit(2);
}
if (port === '--version') {
  console.log(`uWebSockets.js ${require(name + '/package.json').version}, node ${process.versions.node}`);
  process.exit();
}
const deflate = word === 'deflate';
const common = {
  compression: deflate ? uws.SHARED_COMPRESSOR : uws.DISABLED,
  maxPayloadLength: 16 << 20,
  maxBackpressure: 16 << 20,
};
const app = word === 'tls' ? uws.SSLApp({ key_file_name: __dirname + '/key.pem', cert_file_name: __dirname + '/cert.pem' }) : uws.App();
app
  .ws('/echo', { ...common, message: (socket, message, binary) => { socket.send(message, binary, deflate); } })
  .ws('/topic/:name', {
    ...common,
    upgrade: (answer, request, context) => answer.upgrade({ path: request.getUrl() }, request.getHeader('sec-websocket-key'),
      request.getHeader('sec-websocket-protocol'), request.getHeader('sec-websocket-extensions'), context),
    open: socket => { socket.subscribe(socket.getUserData?.().path ?? socket.path); },
    message: (socket, message, binary) => { socket.publish(socket.getUserData?.().path ?? socket.path, message, binary); },
  })
  .any('/*', answer => { answer.writeStatus('404 Not Found').end(); })
  .listen('127.0.0.1', Number(port), listening => {
    if (!listening) process.exit(2);
    console.log(`listening on ${port}`);
  });
