"""Engines that only look alive are found and healed; those that are merely slow are left alone."""

import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from itertools import pairwise

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.e2e.peers.upstream import Upstream
from tests.faults.programs import COMMAND, running

PERIOD_S, MISSES = 0.3, 4
PROBES = {"PROBE_PERIOD_S": str(PERIOD_S), "PROBE_TIMEOUT_S": str(PERIOD_S), "PROBE_MISSES": str(MISSES)}
SILENCE_S = 2.0

#: Connects and posts heartbeats until told to be silent; then it only waits.
FALLING_SILENT = """
post("session.connected", phone_number="85212345678")
while not pathlib.Path("silent").exists():
    post("session.heartbeat")
    time.sleep(0.2)
signal.pause()
"""


@pytest.fixture(scope="module")
def daemon(share: Callable[..., Daemon], backend: Upstream) -> Daemon:
    settings = {
        **COMMAND,
        **PROBES,
        **backend.settings,
        "SILENCE_S": str(SILENCE_S),
        "HEARTBEAT_S": "0.5",
        "STOP_GRACE_S": "1",
    }
    return share(engine_env=SCANNED, settings=settings)


def connected(daemon: Daemon, session_id: str) -> int:
    """Return the pid of a new session's engine, once it is connected and has answered a probe."""
    daemon.create(session_id)
    daemon.until(session_id, "connected")
    eventually(lambda: check(daemon, session_id, "probe")["detail"] == "answered")
    return daemon.registry()[session_id]


def checks(daemon: Daemon, session_id: str) -> dict[str, dict[str, Json]]:
    listed = daemon.ask("GET", f"/v1/sessions/{session_id}/health").body["checks"]
    assert isinstance(listed, list)
    return {str(each["name"]): each for each in listed if isinstance(each, dict)}


def check(daemon: Daemon, session_id: str, name: str) -> dict[str, Json]:
    return checks(daemon, session_id)[name]


def evidence(one: Mapping[str, Json]) -> dict[str, Json]:
    facts = one["evidence"]
    assert isinstance(facts, dict)
    return facts


def steps(daemon: Daemon, session_id: str) -> list[dict[str, Json]]:
    listed = daemon.ask("GET", f"/v1/sessions/{session_id}/why?limit=100").body["steps"]
    assert isinstance(listed, list)
    return [step for step in listed if isinstance(step, dict)]


def freeze(daemon: Daemon, session_id: str) -> None:
    os.kill(daemon.registry()[session_id], signal.SIGSTOP)


def block_event_loop(daemon: Daemon, session_id: str) -> None:
    daemon.steer(session_id, "hang?s=60")


@pytest.mark.parametrize(("session_id", "fault"), [("frozen", freeze), ("blocked", block_event_loop)])
def test_a_hung_engine_is_found_within_four_probes_and_healed(
    daemon: Daemon, backend: Upstream, session_id: str, fault: Callable[[Daemon, str], None]
) -> None:
    pid = connected(daemon, session_id)

    fault(daemon, session_id)

    eventually(lambda: daemon.registry().get(session_id) not in (None, pid))
    daemon.until(session_id, "connected")
    (verdict,) = (step for step in steps(daemon, session_id) if step["stimulus"] == "engine of no use")
    crash = backend.of(session_id, "session.crashed")
    assert f"{MISSES} probes unanswered" in str(evidence(verdict)["detail"])
    assert [event["reason"] for event in crash] == ["engine_unresponsive"]
    assert daemon.session(session_id).body["restarts"] == {
        "count": 1,
        "last_reason": "engine_unresponsive",
        "next_at": None,
    }


def test_a_hang_shows_in_the_health_before_it_is_a_verdict(daemon: Daemon) -> None:
    connected(daemon, "evident")

    freeze(daemon, "evident")

    missed = eventually(lambda: each if not (each := check(daemon, "evident", "probe"))["is_ok"] else None)
    assert 1 <= int(str(evidence(missed)["misses"])) <= MISSES
    assert evidence(missed)["answered_at"] is not None
    assert daemon.ask("GET", "/v1/sessions/evident/health").status == 503
    daemon.until("evident", "connected")


def test_a_slow_engine_that_answers_in_the_end_is_not_restarted(daemon: Daemon) -> None:
    pid = connected(daemon, "slow")

    misses: list[Json] = []
    for _ in range(4):
        daemon.steer("slow", f"hang?s={PERIOD_S * 2.5}")
        blocked_until_s = time.monotonic() + PERIOD_S * 2.5
        while time.monotonic() < blocked_until_s:
            misses.append(evidence(check(daemon, "slow", "probe"))["misses"])
        eventually(lambda: check(daemon, "slow", "probe")["is_ok"])

    assert any(misses)
    assert daemon.registry()["slow"] == pid
    assert daemon.session("slow").body["restarts"] == {"count": 0, "last_reason": None, "next_at": None}


def test_health_lists_every_check_with_its_evidence(daemon: Daemon) -> None:
    pid = connected(daemon, "health")
    eventually(lambda: evidence(check(daemon, "health", "process"))["rss_bytes"])

    listed = checks(daemon, "health")

    assert set(listed) == {"process", "engine", "probe", "link", "log", "heartbeat", "qr", "directory", "messages"}
    assert all(each["is_ok"] for each in listed.values())
    assert evidence(listed["process"])["pid"] == pid
    assert all(evidence(listed["process"])[name] for name in ("process_count", "open_file_count"))
    assert evidence(listed["link"])["connected_at"]
    assert evidence(listed["log"])["size_bytes"]


def test_connected_sessions_have_a_heartbeat_upstream(daemon: Daemon, backend: Upstream) -> None:
    connected(daemon, "beating")

    beats = eventually(lambda: beats if len(beats := backend.of("beating", "session.heartbeat")) >= 3 else None)

    assert all(beat["seq"] is None and beat["status"] == "connected" for beat in beats)
    assert all(str(earlier["timestamp"]) < str(later["timestamp"]) for earlier, later in pairwise(beats))


def test_an_engine_that_stops_to_beat_is_disconnected_and_not_ended(daemon: Daemon, backend: Upstream) -> None:
    daemon.create("silent", **running(FALLING_SILENT))
    daemon.until("silent", "connected")
    pid = daemon.registry()["silent"]
    time.sleep(SILENCE_S * 1.5)  # its heartbeats must carry it over a time in which silence would tell
    beating = daemon.session("silent").body["status"]

    (daemon.home / "sessions" / "silent" / "silent").touch()

    daemon.until("silent", "disconnected")
    assert beating == "connected"
    assert daemon.registry()["silent"] == pid
    eventually(lambda: backend.of("silent", "session.disconnected"))
    assert check(daemon, "silent", "heartbeat")["detail"] == "posts heartbeats"


def test_an_engine_that_gives_no_signs_is_never_called_silent(daemon: Daemon) -> None:
    daemon.create("mute", **running('post("session.connected", phone_number="85212345678"); signal.pause()'))
    daemon.until("mute", "connected")

    time.sleep(SILENCE_S * 1.5)

    assert daemon.session("mute").body["status"] == "connected"
    eventually(lambda: check(daemon, "mute", "probe")["detail"] == "has no way to answer")


def test_the_api_answers_at_once_while_an_engine_hangs(daemon: Daemon) -> None:
    connected(daemon, "hanging")
    connected(daemon, "neighbour")
    freeze(daemon, "hanging")

    began_s = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=5)
    connection.request("GET", "/livez")
    answer = json.loads(connection.getresponse().read())
    connection.close()
    health = daemon.ask("GET", "/v1/sessions/neighbour/health").body["healthy"]

    assert (answer["status"], health) == ("ok", True)
    assert time.monotonic() - began_s < 5
    daemon.until("hanging", "connected")
