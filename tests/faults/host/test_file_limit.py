"""A daemon that may open no more files survives, says so, and is whole again once it may."""

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("only Linux changes the limits of another process", allow_module_level=True)

from tests.e2e.peers.daemon import SCANNED, Daemon, eventually

Serve = Callable[..., Daemon]


#: Numbers up to here are taken for the daemon's whole life.
_TAKEN = 8


@contextmanager
def no_more_files(daemon: Daemon, limit: int = _TAKEN) -> Iterator[None]:
    """Let the daemon open no file under this number or a higher one; what it has open already stays."""
    assert daemon.process is not None
    pid = daemon.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
def test_a_daemon_that_may_open_no_files_lives_on_and_recovers(serve: Serve) -> None:
    daemon = serve(
        engine_env=SCANNED, settings={"PROBE_PERIOD_S": "0.3", "PROBE_TIMEOUT_S": "0.3", "HEARTBEAT_S": "0.3"}
    )
    for name in ("killed", "neighbour"):
        daemon.create(name)
        daemon.until(name, "connected")
    before = daemon.registry()
    assert daemon.process is not None

    with no_more_files(daemon):
        os.kill(before["killed"], signal.SIGKILL)
        time.sleep(7)  # longer than the period of everything that looks around
        status = daemon.process.poll()

    assert status is None, daemon.log
    daemon.until("killed", "connected", within_s=30)
    after = daemon.registry()
    assert after["killed"] != before["killed"]
    assert after["neighbour"] == before["neighbour"]
    assert "Too many open files" in daemon.log
    assert eventually(lambda: daemon.ask("GET", "/livez").status == 200)


def descriptors_of(daemon: Daemon) -> dict[int, str]:
    """Return what the daemon has open, by number."""
    assert daemon.process is not None
    found: dict[int, str] = {}
    for entry in Path(f"/proc/{daemon.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed just now
            found[int(entry.name)] = str(entry.readlink())
    return found


@pytest.mark.slow
def test_a_daemon_that_may_open_one_file_at_a_time_loses_none_of_them(serve: Serve) -> None:
    daemon = serve(engine_env={"SIM_DEAF": "1"}, settings={"STOP_GRACE_S": "6"})
    daemon.create("deaf")
    daemon.until("deaf", "qr_ready")
    daemon.ask("POST", "/v1/sessions/deaf/stop?wait=0")
    eventually(lambda: not any("inotify" in what for what in descriptors_of(daemon).values()))  # no code is awaited now
    time.sleep(0.5)  # the connection is closed by then

    taken = descriptors_of(daemon)
    with no_more_files(daemon, limit=1 + next(number for number in count() if number not in taken)):
        time.sleep(5)  # the engine is signalled again and again: each time needs two files
    daemon.until("deaf", "stopped", within_s=30)

    assert "Too many open files" in daemon.log
    assert [what for what in descriptors_of(daemon).values() if "pidfd" in what] == []
