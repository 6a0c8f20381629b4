"""Measures what it costs to know who asks, and how good callers fare while somebody tries keys."""

import hashlib
import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network

from openwa_manager.api.admission.peers.client_address import ClientAddresses
from openwa_manager.domain.access.actions import Action, Allowed, Hidden, may
from openwa_manager.domain.access.buckets import Rate
from openwa_manager.domain.access.callers import KeyId
from openwa_manager.domain.access.keys import ApiKey, KnownKey
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.scopes import scope_of
from openwa_manager.domain.session.session import SessionId
from openwa_manager.host.clock import SystemClock
from openwa_manager.services.access.key_ring import KeyRing
from openwa_manager.services.access.rate_limits import RateLimits
from tests.benchmarks.daemons import SLEEPER, running
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, medians, percentiles
from tests.e2e.peers.daemon import Daemon
from tests.fakes.process import ending

#: So many connections try keys, each the next one as soon as it has an answer.
_STRANGERS = 64
#: Good callers ask at this pace, on connections of their own.
_GOOD, _GOOD_EVERY_S = 8, 0.02


#: More keys than there are users of a host.
_KEYS = 1_000


def measure_check(count: int) -> Iterator[Row]:
    """Do what is done about each call before its route: find out where it comes from and whose key it has, count it."""
    ring, limits = KeyRing(SystemClock()), RateLimits(SystemClock(), Rate(per_s=1e9, burst=1e9))
    keys = {f"owm_k{number}_{number:064x}": _key(number) for number in range(_KEYS)}
    ring.fill([replace(key, secret_sha256=hashlib.sha256(text.encode()).digest()) for text, key in keys.items()], None)
    addresses = ClientAddresses([ip_network("127.0.0.1/32")])
    texts = list(keys)
    for name, given in (("a valid key", texts), ("a wrong key", [f"{text}0" for text in texts])):
        begun_s = time.process_time()
        for number in range(count):
            client = addresses.client_of("127.0.0.1", [f"198.51.100.9, 192.0.2.{number % 250}"])
            login = ring.identify(given[number % _KEYS], client)
            if isinstance(login, KnownKey):
                limits.count_call(login.caller)
                assert isinstance(may(login.caller, Action.SEND, SessionId("user_7_a")), Allowed | Hidden)
        each_us = (time.process_time() - begun_s) / count * 1e6
        yield Row(name=f"the check of {name} among {_KEYS}", unit="µs", values={OURS: each_us}, goals=[Goal("", 50)])


def _key(number: int) -> ApiKey:
    return ApiKey(
        key_id=KeyId(f"k{number}"),
        name=f"key {number}",
        role=Role.SENDER,
        secret_sha256=b"",
        created_at=0.0,
        created_by="admin",
        scope=scope_of([f"user_{number}_*"]),
    )


def measure_flood(seconds: float) -> Iterator[Row]:
    """Ask with a good key while nobody else does, and then beside a flood of keys that are none."""
    with running({**SLEEPER, "RATE_PER_S": "1000", "RATE_BURST": "1000"}) as (daemon, _):
        daemon.create("acme")
        alone = _ask_well(daemon, seconds)
        with _flood(daemon) as tell:
            beside = _ask_well(daemon, seconds)
            statuses = tell()
    samples = {OURS: beside, FLOOR: alone}
    name = f"a call beside {_STRANGERS} lines that try keys (floor: alone)"
    yield Row(name=f"{name}, median", unit="ms", values=medians(samples, 1000))
    values = percentiles(samples, 99, 1000)
    yield Row(name=f"{name}, p99", unit="ms", values=values, goals=[Goal("", 100)])
    for status, count in sorted(statuses.items()):
        yield Row(name=f"  tries meanwhile: {status}", unit="/s", values={OURS: count / seconds})


def _ask_well(daemon: Daemon, seconds: float) -> list[float]:
    """Ask at an even pace with the admin's key, and return how long each answer took from when it was due."""
    request = f"GET /v1/sessions/acme HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {daemon.key}\r\n\r\n".encode()
    lines = [socket.create_connection(("127.0.0.1", daemon.port), timeout=60) for _ in range(_GOOD)]
    times_s: list[float] = []
    begun_s = due_s = time.perf_counter()
    while due_s < begun_s + seconds:
        for line in lines:
            time.sleep(max(0.0, due_s - time.perf_counter()))
            line.sendall(request)
            answer = line.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            times_s.append(time.perf_counter() - due_s)
            due_s = max(due_s + _GOOD_EVERY_S, time.perf_counter())
    for line in lines:
        line.close()
    return times_s


@contextmanager
def _flood(daemon: Daemon) -> Iterator[Callable[[], dict[str, int]]]:
    argv = [sys.executable, "-m", "tests.benchmarks.measures.access", str(daemon.port)]
    with ending(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "trying\n"

        def tell() -> dict[str, int]:
            statuses: dict[str, int] = json.loads(process.communicate("", timeout=60)[0])
            return statuses

        yield tell
        process.kill()


def try_keys(port: int) -> dict[str, int]:
    """Try keys that are none until stdin is closed, and return how often which status came."""
    statuses: dict[str, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        for number in range(_STRANGERS):
            selector.register(_connected(port), selectors.EVENT_READ, number)
        print("trying", flush=True)
        while True:
            for key, _ in selector.select(60):
                if key.fileobj is sys.stdin:
                    return statuses
                line = key.fileobj
                assert isinstance(line, socket.socket)
                data = line.recv(65536)
                selector.unregister(line)
                if data:
                    status = data.split(b" ", 2)[1].decode()
                    statuses[status] = statuses.get(status, 0) + 1
                    line.sendall(_attempt(key.data))
                else:
                    line.close()
                    statuses["closed"] = statuses.get("closed", 0) + 1
                    line = _connected(port)
                selector.register(line, selectors.EVENT_READ, key.data)


def _connected(port: int) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", port), timeout=60)
    line.sendall(_attempt(0))
    return line


def _attempt(number: int) -> bytes:
    return f"GET /v1/sessions HTTP/1.1\r\nHost: localhost\r\nX-API-Key: owm_admin_{number:064x}\r\n\r\n".encode()


if __name__ == "__main__":
    print(json.dumps(try_keys(int(sys.argv[1]))))
