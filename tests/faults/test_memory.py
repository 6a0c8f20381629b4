"""Engines that leak are recycled before they harm the host, and that is not held against them."""

from collections.abc import Callable

import pytest

from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.e2e.peers.upstream import Upstream

LIMIT_BYTES = 150_000_000


@pytest.fixture(scope="module")
def daemon(share: Callable[..., Daemon], backend: Upstream) -> Daemon:
    # With this count any recycling that spent budget would fail the session at once.
    settings = {**backend.settings, "PROBE_PERIOD_S": "0.5", "CRASH_LOOP_COUNT": "1", "MEMORY_SOFT_BYTES": "100000000"}
    return share(engine_env=SCANNED, settings=settings)


def test_an_engine_above_its_own_limit_is_recycled_at_once_and_no_budget_is_spent(
    daemon: Daemon, backend: Upstream
) -> None:
    daemon.create("leaking", memory_limit_bytes=LIMIT_BYTES)
    for _ in range(2):
        daemon.until("leaking", "connected")
        pid = daemon.registry()["leaking"]
        daemon.steer("leaking", "leak?mb=200")
        eventually(lambda pid=pid: daemon.registry().get("leaking") not in (None, pid))  # type: ignore[misc]
    connected = daemon.until("leaking", "connected").body

    assert connected["restarts"] == {"count": 2, "last_reason": "memory_limit", "next_at": None}
    assert not backend.of("leaking", "session.crashed")
    reasons = eventually(lambda: told if len(told := backend.of("leaking", "session.restarted")) == 2 else None)
    assert [event["reason"] for event in reasons] == ["memory_limit"] * 2


def test_a_session_in_use_is_left_alone_above_the_soft_limit(daemon: Daemon) -> None:
    daemon.create("busy")
    daemon.until("busy", "connected")
    pid = daemon.registry()["busy"]

    daemon.steer("busy", "leak?mb=120")
    eventually(lambda: rss_of(daemon, "busy") > 100_000_000)
    for _ in range(8):
        daemon.steer("busy", "receive?text=hello")
        eventually(lambda: rss_of(daemon, "busy"), every_s=0.25)

    assert daemon.registry()["busy"] == pid


def rss_of(daemon: Daemon, session_id: str) -> int:
    usage = daemon.session(session_id).body["usage"]
    return int(str(usage["rss_bytes"])) if isinstance(usage, dict) else 0
