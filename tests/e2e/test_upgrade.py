"""A new version of the daemon takes over what the former one left running."""

import http.client
from collections.abc import Callable
from pathlib import Path

import pytest

from openwa_manager.processes.reading.identity import live_identity_of
from tests.e2e.peers.daemon import SCANNED, Daemon, engines_below, eventually
from tests.e2e.peers.former import leave_running

Serve = Callable[..., Daemon]

ONE = "user_0_session_x"


def names_of(count: int) -> list[str]:
    return [f"user_{number}_session_x" for number in range(count)]


def receive(port: int) -> None:
    """Have a message arrive at the simulated phone of an engine that listens on a port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/_sim/receive")
        assert connection.getresponse().status == 200
    finally:
        connection.close()


def senders_of(daemon: Daemon) -> set[str]:
    """Return the sessions of which a received message was told."""
    events = daemon.ask("GET", "/v1/events?type=message.received&limit=1000").body["events"]
    assert isinstance(events, list)
    return {str(event["session_id"]) for event in events if isinstance(event, dict)}


@pytest.mark.parametrize("count", [2, pytest.param(20, marks=(pytest.mark.slow, pytest.mark.timeout(420)))])
def test_engines_of_the_former_version_are_adopted_and_become_new_ones_at_their_next_launch(
    serve: Serve, tmp_path: Path, count: int
) -> None:
    pids = leave_running(tmp_path / "home", names_of(count))

    daemon = serve(engine_env=SCANNED, ready_within_s=60)
    for name in pids:
        daemon.until(name, "connected", within_s=120)
    adopted = [daemon.session(name).body for name in pids]
    found = daemon.registry()
    for each in adopted:
        receive(int(str(each["port"])))
    eventually(lambda: senders_of(daemon) == set(pids), within_s=60)
    for name in pids:
        daemon.ask("POST", f"/v1/sessions/{name}/restart")
    renewed = [
        eventually(lambda: body if (body := daemon.session(name).body)["socket"] else None, within_s=120)  # noqa: B023
        for name in pids
    ]
    for name in pids:
        daemon.until(name, "connected", within_s=120)

    assert found == pids
    assert all(each["labels"] == {"team": "sales"} for each in adopted)
    assert all(isinstance(each["port"], int) and each["socket"] is None for each in adopted)
    assert all(each["port"] is None for each in renewed)
    assert all(str(each["socket"]).startswith(f"{daemon.home}/run/e/") for each in renewed)
    assert not set(daemon.registry().values()) & set(pids.values())
    assert sorted(engines_below(daemon.home)) == sorted(daemon.registry().values())
    assert daemon.ask("GET", "/v1/events?type=session.crashed&limit=10").body["events"] == []


def test_engines_of_the_former_version_outlive_two_daemons(serve: Serve, tmp_path: Path) -> None:
    pids = leave_running(tmp_path / "home", names_of(2))
    daemon = serve(engine_env=SCANNED)
    for name in pids:
        daemon.until(name, "connected", within_s=60)

    daemon.kill()
    daemon.start()

    for name in pids:
        daemon.until(name, "connected", within_s=60)
    assert daemon.registry() == pids
    assert '"event": "database_lost"' not in daemon.log


def test_engines_whose_former_home_is_another_one_are_adopted_too(serve: Serve, tmp_path: Path) -> None:
    pids = leave_running(tmp_path / "former", names_of(2))

    daemon = serve(engine_env=SCANNED, settings={"SESSIONS_PATH": str(tmp_path / "former" / "sessions")})
    for name in pids:
        daemon.until(name, "connected", within_s=60)

    assert daemon.registry() == pids
    for name, pid in pids.items():
        assert daemon.ask("DELETE", f"/v1/sessions/{name}").status == 204
        assert live_identity_of(pid) is None


def test_an_engine_of_the_former_version_can_be_ended(serve: Serve, tmp_path: Path) -> None:
    pids = leave_running(tmp_path / "home", names_of(1))
    daemon = serve(engine_env=SCANNED)
    daemon.until(ONE, "connected", within_s=60)

    deleted = daemon.ask("DELETE", f"/v1/sessions/{ONE}")

    assert deleted.status == 204
    assert live_identity_of(pids[ONE]) is None
