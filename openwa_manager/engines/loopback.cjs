// Preloaded into OpenWA (`node --require loopback.cjs …`), which has no setting for its bind address and listens on every
// interface. What this process would listen on at `PORT`, it listens on at the unix socket `OPENWA_MANAGER_SOCKET`, if that
// is set; any other TCP port it opens, it opens on 127.0.0.1 only. Pipes and inherited handles stay as they are.
'use strict';
const net = require('node:net');

const HOST = '127.0.0.1';
const SOCKET = process.env.OPENWA_MANAGER_SOCKET;
const PORT = Number(process.env.PORT);
const listen = net.Server.prototype.listen;
const isPort = (value) => typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value));
const isOurs = (port) => Boolean(SOCKET) && Number(port) === PORT;

net.Server.prototype.listen = function listenOnLoopback(...args) {
  const [first, second] = args;
  if (isPort(first)) {
    // listen(port[, host][, backlog][, callback])
    if (isOurs(first)) args.splice(0, typeof second === 'string' || second === undefined || second === null ? 2 : 1, SOCKET);
    else if (typeof second === 'string') args[1] = HOST;
    else args.splice(1, second === undefined || second === null ? 1 : 0, HOST);
  } else if (first !== null && typeof first === 'object' && isPort(first.port)) {
    const { port, host, ipv6Only, ...rest } = first;
    args[0] = isOurs(port) ? { ...rest, path: SOCKET } : { ...first, host: HOST };
  }
  return listen.apply(this, args);
};
