"""A daemon that may open no more files survives, says so, and is whole again once it may."""

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.e2e.daemon import SCANNED, Daemon, eventually

Serve = Callable[..., Daemon]


#: Numbers up to here are taken for the daemon's whole life.
_TAKEN = 8


@contextmanager
def no_more_files(daemon: Daemon) -> Iterator[None]:
    """Let the daemon open nothing that it has not open already."""
    assert daemon.process is not None
    pid = daemon.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (_TAKEN, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


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
