// Preloaded into OpenWA (`node --require loopback.cjs …`).
//
// Where it listens: OpenWA has no setting for its bind address and listens on every interface. What this process would
// listen on at `PORT`, it listens on at the unix socket `OPENWA_MANAGER_SOCKET`, if that is set; any other TCP port it
// opens, it opens on 127.0.0.1 only. Pipes and inherited handles stay as they are.
//
// Where it finds its manager: `OPENWA_MANAGER_INTAKE` is an address and a port, which only `OPENWA_MANAGER_INTAKE_NAME`
// leads to. OpenWA is allowed to connect to that name instead of to all of loopback, and whatever asks for the name gets
// no other port of that address.
'use strict';
const dns = require('node:dns');
const { syncBuiltinESMExports } = require('node:module');
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

const NAME = (process.env.OPENWA_MANAGER_INTAKE_NAME ?? '').toLowerCase();
const [ADDRESS, INTAKE_PORT] = (process.env.OPENWA_MANAGER_INTAKE ?? '').split(' ');

if (NAME && net.isIP(ADDRESS)) {
  const found = { address: ADDRESS, family: net.isIP(ADDRESS) };
  const isIntake = (host) => typeof host === 'string' && host.toLowerCase() === NAME;
  // What the original has beside its code stays: util.promisify needs it.
  const inPlaceOf = (original, own) => Object.defineProperties(own, Object.getOwnPropertyDescriptors(original));

  const { lookup } = dns;
  dns.lookup = inPlaceOf(lookup, function lookUpIntake(host, options, callback) {
    if (!isIntake(host)) return lookup.apply(this, arguments);
    const answer = typeof options === 'function' ? options : callback;
    if (options?.all) process.nextTick(answer, null, [found]);
    else process.nextTick(answer, null, found.address, found.family);
    return {};
  });

  const promised = dns.promises.lookup;
  dns.promises.lookup = inPlaceOf(promised, async function lookUpIntake(host, options) {
    if (!isIntake(host)) return promised.apply(this, arguments);
    return options?.all ? [{ ...found }] : { ...found };
  });
  syncBuiltinESMExports();

  // connect(options), connect(port[, host]), or what net.connect() has made of either: [options, callback].
  const { connect } = net.Socket.prototype;
  net.Socket.prototype.connect = function connectToIntake(...args) {
    const first = Array.isArray(args[0]) ? args[0][0] : args[0];
    const isObject = first !== null && typeof first === 'object';
    const [host, port] = isObject ? [first.host, first.port] : [args[1], first];
    if (!isIntake(host) || String(port) === INTAKE_PORT) return connect.apply(this, args);
    const error = Object.assign(new Error(`connect ECONNREFUSED ${NAME}:${port}`), { code: 'ECONNREFUSED' });
    // Told later, as a refusal always is: by then somebody listens for it.
    const lookup = (_host, _options, answer) => setImmediate(answer, error);
    return connect.call(this, { ...(isObject ? first : {}), host, port, lookup });
  };
}
