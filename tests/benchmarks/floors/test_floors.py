"""Every floor does what it is for: one that does less would make everybody look slow."""

import hashlib
import hmac
import json
import os
import subprocess
import sys

import pytest

from openwa_manager.processes.reading.identity import live_identity_of
from tests.benchmarks.children import children_of, replacement_time_s
from tests.benchmarks.clients import ask, get
from tests.benchmarks.floors.disk import commit_times
from tests.benchmarks.floors.exits import running_replacer
from tests.benchmarks.floors.hello import running_hello
from tests.benchmarks.floors.imports import command_floor, import_time_s, imported_names
from tests.benchmarks.floors.posts import SECRET, running_posts
from tests.benchmarks.floors.prototype import running_prototype
from tests.benchmarks.floors.renames import rename_times
from tests.benchmarks.floors.signing import running_signing
from tests.benchmarks.floors.spawning import spawn_times
from tests.e2e.peers.daemon import UnixConnection, eventually
from tests.e2e.peers.upstream import Upstream
from tests.fakes.ports import free_ports

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="inotify, pidfds and /proc are Linux's")


def test_hello_answers_every_client() -> None:
    with running_hello(b'{"status": "connected"}') as address:
        asked = ask(address, [get("/v1/sessions/acme")], clients=4, seconds=0.1)

    assert len(asked.times_s) >= 4


def test_each_request_is_sent_once() -> None:
    with running_hello(b"{}") as address:
        asked = ask(address, [get("/a"), get("/b"), get("/c")], clients=2)

    assert len(asked.times_s) == 3


def signed_post(secret: str) -> bytes:
    body = b'{"event": "message.received"}'
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    head = f"POST /intake HTTP/1.1\r\nHost: x\r\nX-OpenWA-Signature: sha256={signature}\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


def test_a_post_is_taken_only_if_it_is_signed() -> None:
    with running_posts() as url:
        address = url.removeprefix("http://").partition("/")[0]
        asked = ask(address, [signed_post(SECRET)], clients=1)
        with pytest.raises(subprocess.CalledProcessError):
            ask(address, [signed_post("another")], clients=1)

    assert len(asked.times_s) == 1


def test_bodies_are_signed_as_deliveries_are_and_come_in_order() -> None:
    bodies = [[json.dumps({"line": line, "number": number}) for number in range(5)] for line in range(3)]

    with Upstream(free_ports(1)[0]) as upstream, running_signing(upstream.url, bodies):
        eventually(lambda: len(upstream.received) == 15)  # it takes only what is signed

    for line in range(3):
        assert [event["number"] for event in upstream.received if event["line"] == line] == [*range(5)]


def test_each_engine_runs() -> None:
    assert len(spawn_times(3)) == 3


def test_each_commit_is_timed() -> None:
    assert len(commit_times(3)) == 3


@linux_only
def test_an_engine_is_replaced() -> None:
    with running_replacer() as supervisor:
        (pid,) = children_of(supervisor)
        _, fresh = replacement_time_s(supervisor, pid)
        eventually(lambda: children_of(supervisor) == {fresh})

    eventually(lambda: live_identity_of(fresh) is None)


@linux_only
def test_a_rename_is_told() -> None:
    assert len(rename_times(3)) == 3


@linux_only
def test_the_prototype_creates_and_replaces_and_records_both() -> None:
    with running_prototype() as prototype:
        line = UnixConnection(prototype.home / "run" / "manager.sock")
        line.request("POST", "/v1/sessions", json.dumps({"session_id": "acme"}))
        answer = line.getresponse()
        pid = json.loads(answer.read())["pid"]
        line.close()
        assert (answer.status, children_of(prototype.pid)) == (201, {pid})
        _, fresh = replacement_time_s(prototype.pid, pid)
        eventually(lambda: prototype.recorded() == {"acme": fresh})


def test_the_imports_are_those_of_others() -> None:
    names = imported_names()

    assert {"aiohttp", "pydantic", "structlog", "sqlite3"} <= {*names}
    assert not [name for name in names if name.startswith(("openwa_manager", "tests"))]
    assert import_time_s() > 0


def test_a_commands_imports_are_those_of_others() -> None:
    environ = {"PATH": os.environ["PATH"]}

    *_, program = command_floor(["--version"], environ)

    assert "argparse" in program
    assert "'openwa_manager" not in program
    subprocess.run([sys.executable, "-c", program], env=environ, check=True, timeout=30)
