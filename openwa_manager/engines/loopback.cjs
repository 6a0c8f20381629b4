// Preloaded into OpenWA (`node --require loopback.cjs …`), which has no setting for its bind address and listens on every
// interface: whatever TCP port this process opens, it opens on 127.0.0.1 only. Pipes and inherited handles stay as they are.
'use strict';
const net = require('node:net');

const HOST = '127.0.0.1';
const listen = net.Server.prototype.listen;
const isPort = (value) => typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value));

net.Server.prototype.listen = function listenOnLoopback(...args) {
  const [first, second] = args;
  if (isPort(first)) {
    // listen(port[, host][, backlog][, callback])
    if (typeof second === 'string') args[1] = HOST;
    else args.splice(1, second === undefined || second === null ? 1 : 0, HOST);
  } else if (first !== null && typeof first === 'object' && isPort(first.port)) {
    args[0] = { ...first, host: HOST };
  }
  return listen.apply(this, args);
};
