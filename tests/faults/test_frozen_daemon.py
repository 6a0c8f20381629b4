"""A daemon that was not there for a while, as on a host that slept, blames nobody for the time that passed."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.e2e.peers.daemon import SCANNED, Daemon, eventually

Serve = Callable[..., Daemon]

#: Longer than the patience with anybody, and than what counts as late.
AWAY_S = 11.0


@pytest.mark.slow
def test_no_engine_is_restarted_because_the_daemon_was_frozen(serve: Serve) -> None:
    impatient = {"PROBE_PERIOD_S": "0.3", "PROBE_TIMEOUT_S": "0.3", "BOOT_TIMEOUT_S": "4", "SILENCE_S": "3"}
    daemon = serve(engine_env=SCANNED, settings=impatient)
    names = [f"s{number}" for number in range(4)]
    for name in names:
        daemon.create(name)
    for name in names:
        daemon.until(name, "connected")
    daemon.create("booting", env={"SIM_BOOT_S": "2"})
    before = eventually(lambda: pids if len(pids := daemon.registry()) == 5 else None)
    assert daemon.process is not None

    os.kill(daemon.process.pid, signal.SIGSTOP)
    time.sleep(AWAY_S)
    os.kill(daemon.process.pid, signal.SIGCONT)

    daemon.until("booting", "connected")
    time.sleep(3)  # ten probes of everybody
    assert daemon.registry() == before
    assert [daemon.session(name).body["status"] for name in names] == ["connected"] * 4
    assert all(daemon.session(name).body["restarts"]["count"] == 0 for name in before)  # type: ignore[index, call-overload]
    events = daemon.ask("GET", "/v1/events?type=host.slept&limit=10").body["events"]
    assert isinstance(events, list)
    assert len(events) == 1
    disconnected = daemon.ask("GET", "/v1/events?type=session.disconnected&limit=10").body["events"]
    assert disconnected == []
