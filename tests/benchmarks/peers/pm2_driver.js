// Speaks with PM2 by its own module, and for rates by the library that this speaks its RPC with.
// Reads an object a line and answers one a line: tests/benchmarks/peers/driver.py.

'use strict';

const path = require('path');
const readline = require('readline');

const place = path.join(process.argv[2], 'node_modules', 'pm2');
const pm2 = require(place);
const axon = require(path.join(place, 'modules', 'pm2-axon'));
const rpc = require(path.join(place, 'modules', 'pm2-axon-rpc'));
const now = () => Number(process.hrtime.bigint()) / 1e9;

const call = (method, ...args) =>
  new Promise((resolve, reject) => pm2[method](...args, (error, value) => (error ? reject(error) : resolve(value))));

const timed = async (work) => {
  const began = now();
  await work();
  return now() - began;
};

const clients = [];
const clientsOf = async (count) => {
  while (clients.length < count) {
    const socket = axon.socket('req');
    const client = new rpc.Client(socket);
    socket.connect(path.join(process.env.PM2_HOME, 'rpc.sock'));
    await new Promise((resolve) => socket.once('connect', resolve));
    clients.push(client);
  }
  return clients.slice(0, count);
};

const monitor = (client) =>
  new Promise((resolve, reject) =>
    client.call('getMonitorData', {}, (error, list) => (error ? reject(error) : resolve(list))),
  );

// There is no question for one: `pm2 describe` gets all and picks it, too.
const rate = async ({ question, clients: count, seconds }) => {
  const lines = await clientsOf(count);
  const began = now();
  let answers = 0;
  const goOn = async (line) => {
    do {
      const list = await monitor(line);
      if (question === 'one' && !list.some((each) => each.name === 's0')) throw new Error('there is no s0');
      answers += 1;
    } while (now() - began < seconds);
  };
  await Promise.all(lines.map(goOn));
  return answers / (now() - began);
};

const pids = async () => Object.fromEntries((await call('list')).filter((each) => each.pid).map((each) => [each.name, each.pid]));

const verbs = {
  connect: () => call('connect', false),
  create: ({ app }) => timed(() => call('start', app)),
  remove: async ({ name }) => void (await call('delete', name)),
  start_all: async () => void (await call('restart', 'all')),
  stop_all: async () => void (await call('stop', 'all')),
  save: async () => void (await call('dump')),
  pids,
  rate,
};

const answer = async (line) => {
  const { do: verb, ...fields } = JSON.parse(line);
  try {
    return { value: (await verbs[verb](fields)) ?? null };
  } catch (error) {
    return { error: String(error.stack || error.message || error) };
  }
};

let last = Promise.resolve();
const write = process.stdout.write.bind(process.stdout);
console.log = console.error;
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  last = last.then(async () => write(`${JSON.stringify(await answer(line))}\n`));
});
