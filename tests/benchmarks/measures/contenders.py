"""Runs the two that are compared: this daemon, and the loop with httpx and a JSON file that one writes instead."""

import hashlib
import hmac
import http.client
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import psutil

from openwa_manager.simulator.whatsapp.png import draw_png
from openwa_manager.simulator.whatsapp.qrcode import encode_qr
from tests.benchmarks.clients import ask_here
from tests.benchmarks.daemons import SLEEPER, running
from tests.benchmarks.tally import Tally
from tests.e2e.peers.daemon import Daemon, eventually
from tests.e2e.peers.upstream import SECRET
from tests.fakes.ports import free_ports

SESSIONS = 20
#: So many of them post at once while a backlog is made.
_FILLING = 8
_TEXT = "A message of the usual length, as people write them to a shop in the evening. " * 3


class Message(NamedTuple):
    """What a session's engine has to tell; the numbers of a session's messages rise."""

    session: int
    number: int

    @property
    def data(self) -> dict[str, str]:
        """Return what OpenWA would say of it."""
        return {"id": f"{self.session}-{self.number}", "from": "85212345678@c.us", "body": _TEXT, "type": "chat"}


def messages(first: int, count: int) -> list[Message]:
    """Return so many messages, the sessions taking turns."""
    return [Message(number % SESSIONS, number) for number in range(first, first + count)]


class Contender(Protocol):
    """Takes messages over HTTP and hands them on to a tally."""

    def fill(self, waiting: Sequence[Message]) -> None:
        """Let these wait; nobody takes them yet."""

    def post(self, message: Message) -> bool:
        """Tell whether it took a message."""

    def show_code(self, number: int) -> None:
        """Let a session have a fresh code."""

    def begin(self) -> None:
        """Deliver: there is somebody now who takes what waits."""

    def kill(self) -> None:
        """End as `kill -9` does, and start again."""


@dataclass
class Manager:
    """This daemon; `hooks` are where the engines post, and their secrets."""

    daemon: Daemon
    hooks: Sequence[tuple[str, str]]

    def fill(self, waiting: Sequence[Message]) -> None:
        """Post them as engines do: many at once, each its own in order.

        Raises:
            AssertionError: one was not taken.
        """
        with ThreadPoolExecutor(_FILLING) as threads:
            for _ in threads.map(self._post_all, range(SESSIONS), repeat(waiting)):
                pass

    def _post_all(self, session: int, waiting: Sequence[Message]) -> None:
        address = urlsplit(self.hooks[session][0])
        requests = [self._request(message) for message in waiting if message.session == session]
        ask_here(address.netloc, requests, clients=1)

    def post(self, message: Message) -> bool:
        """Post a message as the session's engine does."""
        return _is_taken(self.hooks[message.session][0], *self._signed(message))

    def _request(self, message: Message) -> bytes:
        """Return the same as it goes over the wire."""
        address = urlsplit(self.hooks[message.session][0])
        body, headers = self._signed(message)
        headers |= {"Host": address.netloc, "Content-Type": "application/json", "Content-Length": str(len(body))}
        lines = [f"POST {address.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def _signed(self, message: Message) -> tuple[bytes, dict[str, str]]:
        secret = self.hooks[message.session][1].encode()
        body = json.dumps({"event": "message.received", "data": message.data}).encode()
        signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
        return body, {"X-OpenWA-Signature": signature, "X-OpenWA-Idempotency-Key": message.data["id"]}

    def show_code(self, number: int) -> None:
        """Rename a fresh image into the session's directory."""
        directory = self.daemon.home / "sessions" / f"s{number % SESSIONS}"
        fresh = directory / "fresh.png"
        fresh.write_bytes(draw_png(encode_qr(f"2@code-{number}".encode())))
        fresh.replace(directory / "qr.png")

    def begin(self) -> None:
        """Spare the half minute until the breaker's next probe."""
        assert self.daemon.ask("POST", "/v1/endpoints/default/resume").status == 200

    def kill(self) -> None:
        """End as `kill -9` does, and start again."""
        self.daemon.kill()
        self.daemon.start()


@dataclass
class Loop:
    """The loop with httpx and a JSON file."""

    port: int
    upstream: str
    outbox: Path
    process: subprocess.Popen[bytes] | None = None

    def fill(self, waiting: Sequence[Message]) -> None:
        """Put them into its file: posted one by one they would take minutes, each rewriting all of it."""
        self.end()
        self.outbox.write_text(json.dumps([_loops_own(message) for message in waiting]))
        self.start()

    def post(self, message: Message) -> bool:
        """Post a message."""
        return self._post(_loops_own(message))

    def show_code(self, number: int) -> None:
        """Post a code."""
        assert self._post({"id": f"code-{number}", "type": "session.qr", "session_id": f"s{number % SESSIONS}"})

    def begin(self) -> None:
        """Do nothing: it tries again every second."""

    def kill(self) -> None:
        """End as `kill -9` does, and start again."""
        self.end()
        self.start()

    def start(self) -> None:
        """Start it and wait until it listens."""
        script = Path(__file__).with_name("httpx_loop.py")
        argv = [sys.executable, str(script), str(self.port), self.upstream, str(self.outbox)]
        self.process = subprocess.Popen(argv)
        eventually(partial(_listens, self.port))

    def end(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def _post(self, event: Mapping[str, object]) -> bool:
        return _is_taken(f"http://127.0.0.1:{self.port}/", json.dumps(event).encode(), {})


def _loops_own(message: Message) -> dict[str, object]:
    return {
        "id": message.data["id"],
        "type": "message.received",
        "session_id": f"s{message.session}",
        "data": message.data,
    }


def _is_taken(url: str, body: bytes, headers: Mapping[str, str]) -> bool:
    address = urlsplit(url)
    line = http.client.HTTPConnection(str(address.hostname), address.port, timeout=20)
    with closing(line), suppress(OSError, http.client.HTTPException):
        line.request("POST", address.path, body, {"Content-Type": "application/json", **headers})
        return line.getresponse().status == 200
    return False


def _listens(port: int) -> bool:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    with suppress(OSError):
        line.connect()
        line.close()
        return True
    return False


@contextmanager
def manager(tally: Tally) -> Iterator[Contender]:
    """Run this daemon with engines that do nothing."""
    upstream = {"UPSTREAM_URL": tally.url, "UPSTREAM_SECRET": SECRET}
    with running({**SLEEPER, **upstream}) as (daemon, _):
        pids = [daemon.create(f"s{number}").number("pid") for number in range(SESSIONS)]
        environs = [eventually(partial(_environ, pid)) for pid in pids]
        yield Manager(daemon, [(environ["WEBHOOK_URL"], environ["WEBHOOK_SECRET"]) for environ in environs])


def _environ(pid: int) -> Mapping[str, str] | None:
    """Return a process's variables; None while it is not yet what it is going to be."""
    environ = psutil.Process(pid).environ()
    return environ if "WEBHOOK_SECRET" in environ else None


@contextmanager
def loop(tally: Tally) -> Iterator[Contender]:
    """Run the loop."""
    with tempfile.TemporaryDirectory(prefix="openwa-bench-") as folder:
        contender = Loop(free_ports(1)[0], tally.url, Path(folder) / "outbox.json")
        contender.start()
        try:
            yield contender
        finally:
            contender.end()
