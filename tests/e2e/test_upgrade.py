"""A new version of the daemon takes over what the former one left running."""

from collections.abc import Callable
from pathlib import Path

import pytest

from openwa_manager.processes.reading.identity import live_identity_of
from tests.e2e.peers.daemon import SCANNED, Daemon
from tests.e2e.peers.former import leave_running

Serve = Callable[..., Daemon]

ONE = "user_0_session_x"


def names_of(count: int) -> list[str]:
    return [f"user_{number}_session_x" for number in range(count)]


@pytest.mark.parametrize("count", [2, pytest.param(20, marks=(pytest.mark.slow, pytest.mark.timeout(240)))])
def test_engines_of_the_former_version_are_adopted_and_become_new_ones_at_their_next_launch(
    serve: Serve, tmp_path: Path, count: int
) -> None:
    pids = leave_running(tmp_path / "home", names_of(count))

    daemon = serve(engine_env=SCANNED)
    for name in pids:
        daemon.until(name, "connected", within_s=120)
    adopted = [daemon.session(name).body for name in pids]
    found = daemon.registry()
    renewed = daemon.ask("POST", f"/v1/sessions/{ONE}/restart?wait=30").body
    daemon.until(ONE, "connected", within_s=60)

    assert found == pids
    assert all(isinstance(each["port"], int) and each["socket"] is None for each in adopted)
    assert daemon.registry() == {**pids, ONE: renewed["pid"]}
    assert renewed["pid"] != pids[ONE]
    assert renewed["port"] is None
    assert str(renewed["socket"]).startswith(f"{daemon.home}/run/e/")


def test_an_engine_of_the_former_version_can_be_ended(serve: Serve, tmp_path: Path) -> None:
    pids = leave_running(tmp_path / "home", names_of(1))
    daemon = serve(engine_env=SCANNED)
    daemon.until(ONE, "connected", within_s=60)

    deleted = daemon.ask("DELETE", f"/v1/sessions/{ONE}")

    assert deleted.status == 204
    assert live_identity_of(pids[ONE]) is None
