"""What our shim makes of the intake's name in a Node.js: it leads to the intake, and to no other port of this host."""

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.engines.program import LOOPBACK_SHIM
from tests.fakes.ports import free_ports

NODE = shutil.which(os.environ.get("NODE", "node"))
NAME = "0123456789abcdef.openwa-intake.invalid"

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")


class Listener:
    """Counts who connects to a port, and answers whoever asks in HTTP."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.heads: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            self.heads.append(peer.recv(4096).decode("latin-1"))
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
            peer.close()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture
def intake() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture
def canary() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def run(directory: Path, script: str, intake_port: int, *, ending: str = "cjs", **values: object) -> list[object]:
    """Run a script behind the shim and return the lines of JSON that it writes."""
    path = directory / f"script.{ending}"
    path.write_text(script)
    assert NODE is not None
    env = {"OPENWA_MANAGER_INTAKE_NAME": NAME, "OPENWA_MANAGER_INTAKE": f"127.0.0.1 {intake_port}"}
    done = subprocess.run(
        [NODE, "--require", str(LOOPBACK_SHIM), str(path), json.dumps({"name": NAME, **values})],
        env=env,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


LOOK_UP = """
const dns = require('node:dns'), { promisify } = require('node:util');
const { lookup } = require('node:dns/promises');
const { name } = JSON.parse(process.argv[2]);
const say = (value) => console.log(JSON.stringify(value));
(async () => {
  say(await lookup(name));
  say(await lookup(name.toUpperCase(), { all: true }));
  say(await dns.promises.lookup(name, { family: 4 }));
  say(await promisify(dns.lookup)(name));
  await new Promise((done) => dns.lookup(name, (error, address, family) => { say({ address, family }); done(); }));
  await new Promise((done) => dns.lookup(name, { all: true }, (error, found) => { say(found); done(); }));
  await new Promise((done) => dns.lookup(name, 4, (error, address, family) => { say({ address, family }); done(); }));
  say(await lookup('127.0.0.2'));
  say(await lookup(`other.${name}`).catch(() => 'not found'));
  say(await lookup(name.slice(1)).catch(() => 'not found'));
})();
"""


def test_the_name_is_found_however_it_is_looked_up_and_no_other_is(tmp_path: Path) -> None:
    found = {"address": "127.0.0.1", "family": 4}

    said = run(tmp_path, LOOK_UP, 2791)

    assert said[:7] == [found, [found], found, found, found, [found], found]
    assert said[7:] == [{"address": "127.0.0.2", "family": 4}, "not found", "not found"]


def test_modules_of_the_newer_kind_find_it_too(tmp_path: Path) -> None:
    script = """
    import { lookup } from 'node:dns/promises';
    const { name } = JSON.parse(process.argv[2]);
    console.log(JSON.stringify(await lookup(name)));
    """

    assert run(tmp_path, script, 2791, ending="mjs") == [{"address": "127.0.0.1", "family": 4}]


CONNECT = """
const net = require('node:net'), tls = require('node:tls'), http = require('node:http');
const { name, intake, canary } = JSON.parse(process.argv[2]);
const pinned = (host, options, done) =>
  options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
const ways = {
  options: (port) => net.connect({ host: name, port }),
  capitals: (port) => net.connect({ host: name.toUpperCase(), port }),
  text: (port) => net.connect({ host: name, port: String(port) }),
  pinned: (port) => net.connect({ host: name, port, lookup: pinned }),
  arguments: (port) => net.connect(port, name),
  socket: (port) => new net.Socket().connect(port, name),
  socketWithOptions: (port) => new net.Socket().connect({ host: name, port }),
};
const outcome = (socket) => new Promise((done) => {
  socket.on('error', (error) => done(error.code));
  socket.on('connect', () => { done('connected'); socket.end('.'); });
});
const asked = (port) => new Promise((done) => {
  http.get({ host: name, port }, (answer) => { answer.resume(); done(answer.statusCode); })
    .on('error', (error) => done(error.code));
});
(async () => {
  for (const port of [intake, canary]) {
    const found = {};
    for (const [way, connect] of Object.entries(ways)) found[way] = await outcome(connect(port));
    found.http = await asked(port);
    found.fetch = await fetch(`http://${name}:${port}/`).then((answer) => answer.status, (error) => error.cause.code);
    found.tls = await outcome(tls.connect({ host: name, port }));
    console.log(JSON.stringify(found));
  }
})();
"""


def test_the_name_leads_to_the_intake_and_to_no_other_port(tmp_path: Path, intake: Listener, canary: Listener) -> None:
    to_intake, to_canary = run(tmp_path, CONNECT, intake.port, intake=intake.port, canary=canary.port)

    assert isinstance(to_intake, dict)
    assert isinstance(to_canary, dict)
    assert {to_intake.pop("http"), to_intake.pop("fetch")} == {200}
    assert set(to_intake.values()) == {"connected"}
    assert set(to_canary.values()) == {"ECONNREFUSED"}
    assert len(to_canary) == 10
    assert canary.heads == []
    assert any(f"Host: {NAME}:{intake.port}".lower() in head.lower() for head in intake.heads)


def test_every_other_address_is_reached_as_before(tmp_path: Path, canary: Listener) -> None:
    script = """
    const net = require('node:net');
    const { canary } = JSON.parse(process.argv[2]);
    const socket = net.connect({ host: '127.0.0.1', port: canary });
    socket.on('connect', () => { console.log('"connected"'); socket.end('.'); });
    """

    assert run(tmp_path, script, free_ports(1)[0], canary=canary.port) == ["connected"]
