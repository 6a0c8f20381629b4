import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from openwa_manager.config import Settings
from openwa_manager.domain.errors import LaunchFailedError, ProgramMissingError
from openwa_manager.engines.program import LOOPBACK_SHIM, FixedProgram, NodeProgram
from tests.fakes.ports import free_ports

NODE = shutil.which(os.environ.get("NODE", "node"))


def fake_node(folder: Path, says: str, name: str = "node") -> Path:
    """Write a program that answers like `node --version` and counts how often it is asked."""
    node = folder / name
    node.write_text(f"#!/bin/sh\necho asked >> {folder}/asked\n{says}\n")
    node.chmod(0o755)
    return node


@pytest.fixture
def built(tmp_path: Path) -> Path:
    home = tmp_path / "openwa"
    (home / "dist").mkdir(parents=True)
    (home / "dist" / "main.js").touch()
    return home


def path_of(folder: Path) -> Mapping[str, str]:
    return {"PATH": str(folder)}


async def test_a_known_program_is_its_words() -> None:
    assert await FixedProgram((sys.executable, "-m", "x")).argv() == (sys.executable, "-m", "x")


async def test_openwas_build_is_run_by_node_behind_the_shim(tmp_path: Path, built: Path) -> None:
    node = fake_node(tmp_path, "echo v22.15.0")

    argv = await NodeProgram("node", built, path_of(tmp_path)).argv()

    assert argv == (str(node), "--require", str(LOOPBACK_SHIM), str(built / "dist" / "main"))
    assert LOOPBACK_SHIM.is_file()


@pytest.mark.parametrize("version", ["v22.13.0", "v22.23.3", "v24.0.0", "v100.0.1"])
async def test_a_new_enough_node_is_accepted(tmp_path: Path, built: Path, version: str) -> None:
    fake_node(tmp_path, f"echo {version}")

    assert await NodeProgram("node", built, path_of(tmp_path)).argv()


async def test_a_node_that_nobody_waits_for_any_more_is_ended(tmp_path: Path, built: Path) -> None:
    os.mkfifo(tmp_path / "pid")
    fake_node(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 600")

    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(NodeProgram("node", built, path_of(tmp_path)).argv())
        pid = int(await asyncio.to_thread((tmp_path / "pid").read_text))
        asking.cancel()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("version", ["v20.19.0", "v22.12.9", "v8.0.0"])
async def test_an_old_node_is_refused_with_advice(tmp_path: Path, built: Path, version: str) -> None:
    fake_node(tmp_path, f"echo {version}")

    with pytest.raises(LaunchFailedError, match=rf"is {version}, this OpenWA needs Node.js 22.13.0 or later: install"):
        await NodeProgram("node", built, path_of(tmp_path)).argv()


@pytest.mark.parametrize(
    ("wanted", "oldest"),
    [
        (">=22.19.0", "22.19.0"),
        (">= 24", "24.0.0"),
        (">=22.12", "22.12.0"),
        (">=22.19.0 <25", "22.19.0"),
        ("^22.13.1 || >=24.2.0", "22.13.0"),
        ("22.x", "22.13.0"),
    ],
)
async def test_the_build_itself_says_which_node_it_needs(tmp_path: Path, built: Path, wanted: str, oldest: str) -> None:
    fake_node(tmp_path, "echo v20.0.0")
    (built / "package.json").write_text(json.dumps({"name": "openwa", "engines": {"node": wanted, "npm": ">=10"}}))

    with pytest.raises(LaunchFailedError, match=rf"needs Node.js {oldest} or later"):
        await NodeProgram("node", built, path_of(tmp_path)).node()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"engines": 22}', '{"engines": {"node": null}}', "\xff"])
async def test_a_build_that_does_not_say_it_gets_the_oldest_node_of_all(
    tmp_path: Path, built: Path, content: str
) -> None:
    fake_node(tmp_path, "echo v20.0.0")
    (built / "package.json").write_text(content, "latin-1")

    with pytest.raises(LaunchFailedError, match=r"needs Node.js 22\.13\.0 or later"):
        await NodeProgram("node", built, path_of(tmp_path)).node()


async def test_a_later_build_that_needs_more_is_noticed(tmp_path: Path, built: Path) -> None:
    fake_node(tmp_path, "echo v22.15.0")
    program = NodeProgram("node", built, path_of(tmp_path))
    await program.node()

    (built / "package.json").write_text('{"engines": {"node": ">=22.19.0"}}')

    with pytest.raises(LaunchFailedError, match=r"is v22\.15\.0, this OpenWA needs Node.js 22\.19\.0"):
        await program.node()


async def test_the_version_is_asked_for_once_until_the_file_changes(tmp_path: Path, built: Path) -> None:
    node = fake_node(tmp_path, "echo v22.15.0")
    program = NodeProgram("node", built, path_of(tmp_path))
    for _ in range(3):
        await program.argv()
    assert (tmp_path / "asked").read_text().count("asked") == 1

    os.utime(node, (1, 1))
    await program.argv()

    assert (tmp_path / "asked").read_text().count("asked") == 2


async def test_a_node_given_by_path_is_used(tmp_path: Path, built: Path) -> None:
    node = fake_node(tmp_path, "echo v24.1.0", "my-node")

    assert (await NodeProgram(str(node), built, {}).argv())[0] == str(node)


async def test_a_missing_node_is_told_with_the_places_that_were_searched(tmp_path: Path, built: Path) -> None:
    with pytest.raises(LaunchFailedError, match=r"/opt/homebrew/bin:/usr/local/bin: install Node\.js"):
        await NodeProgram("no-such-node", built, path_of(tmp_path)).argv()


async def test_something_else_called_node_is_refused(tmp_path: Path, built: Path) -> None:
    fake_node(tmp_path, "echo hello")

    with pytest.raises(LaunchFailedError, match="said 'hello'"):
        await NodeProgram("node", built, path_of(tmp_path)).argv()


async def test_a_node_that_cannot_be_executed_is_refused(tmp_path: Path, built: Path) -> None:
    (tmp_path / "node").write_bytes(b"\x7fELF not really")
    (tmp_path / "node").chmod(0o755)

    with pytest.raises(LaunchFailedError, match="cannot be executed"):
        await NodeProgram("node", built, path_of(tmp_path)).argv()


async def test_an_unbuilt_openwa_is_told_with_the_commands_that_build_it(tmp_path: Path) -> None:
    fake_node(tmp_path, "echo v22.15.0")
    sources = tmp_path / "sources of mine"
    sources.mkdir()
    (sources / "package.json").write_text('{"version": "0.22.0"}')

    with pytest.raises(LaunchFailedError, match=r"engine install 0\.23\.1, then openwa-manager engine use 0\.23\.1;"):
        await NodeProgram("node", tmp_path / "openwa", path_of(tmp_path)).argv()
    with pytest.raises(LaunchFailedError, match=f"engine install '{sources}', then openwa-manager engine use 0.22.0;"):
        await NodeProgram("node", sources, path_of(tmp_path)).argv()


LISTEN = """
const net = require('node:net');
const calls = [
  (server, done) => server.listen(0, done),
  (server, done) => server.listen('0', done),
  (server, done) => server.listen(0, '0.0.0.0', done),
  (server, done) => server.listen(0, undefined, done),
  (server, done) => server.listen(0, 511, done),
  (server, done) => server.listen({ port: 0, host: '::' }, done),
];
for (const call of calls) {
  const server = net.createServer();
  call(server, () => { console.log(server.address().address); server.close(); });
}
const pipe = net.createServer();
pipe.listen(process.argv[2], () => { console.log('pipe'); pipe.close(); });
"""


LISTEN_AT_PORT = """
const net = require('node:net');
const port = Number(process.env.PORT);
const calls = [
  (server, done) => server.listen(port, done),
  (server, done) => server.listen(String(port), done),
  (server, done) => server.listen(port, '0.0.0.0', done),
  (server, done) => server.listen(port, undefined, done),
  (server, done) => server.listen(port, 511, done),
  (server, done) => server.listen(port, '::', 511, done),
  (server, done) => server.listen({ port, host: '::', ipv6Only: true, backlog: 5 }, done),
  (server, done) => { server.once('listening', done); server.listen(port); },
];
const next = () => {
  const call = calls.shift();
  if (!call) return;
  const server = net.createServer();
  call(server, () => { console.log(server.address()); server.close(next); });
};
next();
const other = net.createServer();
other.listen(0, () => { console.log(other.address().address); other.close(); });
"""


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_behind_the_shim_what_would_listen_on_our_port_listens_on_the_socket(tmp_path: Path) -> None:
    script, socket = tmp_path / "listen.cjs", tmp_path / "s"
    script.write_text(LISTEN_AT_PORT)
    assert NODE is not None

    output = subprocess.run(
        [NODE, "--require", str(LOOPBACK_SHIM), str(script)],
        env={"PORT": str(free_ports(1)[0]), "OPENWA_MANAGER_SOCKET": str(socket)},
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout

    assert sorted(output.split()) == sorted([str(socket)] * 8 + ["127.0.0.1"])


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_behind_the_shim_every_port_is_opened_on_loopback_only(tmp_path: Path) -> None:
    script = tmp_path / "listen.cjs"
    script.write_text(LISTEN)
    assert NODE is not None

    output = subprocess.run(
        [NODE, "--require", str(LOOPBACK_SHIM), str(script), str(tmp_path / "pipe")],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout

    assert sorted(output.split()) == ["127.0.0.1"] * 6 + ["pipe"]


async def test_a_release_link_that_moved_leads_to_the_new_build(tmp_path: Path, built: Path) -> None:
    fake_node(tmp_path, "echo v24.0.0")
    current, newer = tmp_path / "current", tmp_path / "newer"
    current.symlink_to(built)
    home = Settings(home=tmp_path / "home", openwa_home=current).openwa_home
    program = NodeProgram("node", home, path_of(tmp_path))
    await program.argv()

    shutil.move(built, newer)
    with pytest.raises(ProgramMissingError):
        await program.argv()
    current.unlink()
    current.symlink_to(newer)

    assert Path(f"{(await program.argv())[-1]}.js").resolve() == newer / "dist" / "main.js"
