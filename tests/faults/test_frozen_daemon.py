"""A daemon that was not there for a while, as on a host that slept, blames nobody for the time that passed."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.reference.told import differences

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
    assert [list(differences(each)) for each in events if isinstance(each, dict)] == [[]]
    disconnected = daemon.ask("GET", "/v1/events?type=session.disconnected&limit=10").body["events"]
    assert disconnected == []


#: What freezes a daemon at SIGUSR2: a loop that waits for ever, and a call into C that holds the GIL meanwhile.
FREEZES = {"loop": "time.sleep(600)", "call": "ctypes.PyDLL(None).sleep(600)"}


@pytest.mark.parametrize("what", FREEZES)
def test_a_daemon_that_froze_says_where_and_makes_room_for_one_that_adopts(
    serve: Serve, tmp_path: Path, what: str
) -> None:
    handler = (
        f"import ctypes, signal, time\ndef freeze(*_):\n    {FREEZES[what]}\nsignal.signal(signal.SIGUSR2, freeze)\n"
    )
    (tmp_path / "sitecustomize.py").write_text(handler)  # every Python reads it at its start
    daemon = serve(engine_env=SCANNED, settings={"FREEZE_LIMIT_S": "4"}, environ={"PYTHONPATH": str(tmp_path)})
    daemon.create("one")
    daemon.until("one", "connected")
    before = daemon.registry()
    assert daemon.process is not None
    time.sleep(5)  # several beats: what is well is not ended

    os.kill(daemon.process.pid, signal.SIGUSR2)
    code = daemon.process.wait(20)
    daemon.start()

    assert code == 1
    assert "Timeout (0:00:04)!" in daemon.log
    assert f'File "{tmp_path}/sitecustomize.py", line 3 in freeze' in daemon.log
    assert daemon.registry() == before
    assert daemon.until("one", "connected").body["restarts"]["count"] == 0  # type: ignore[index, call-overload]
