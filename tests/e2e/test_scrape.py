"""What a scrape of the real daemon shows after a session was paired, killed and healed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.peers.daemon import Daemon, eventually
from tests.e2e.peers.upstream import Upstream
from tests.fakes.ports import free_ports


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(free_ports(1)[0]) as backend:
        yield backend


def numbers(daemon: Daemon) -> dict[tuple[str, ...], float]:
    """Return what is scraped, by name and labels."""
    answer = daemon.ask("GET", "/metrics")
    assert answer.status == 200
    samples = [sample for family in text_string_to_metric_families(answer.raw.decode()) for sample in family.samples]
    return {(sample.name, *sample.labels.values()): sample.value for sample in samples}


def test_a_scrape_tells_of_restarts_codes_and_engines(tmp_path: Path, upstream: Upstream) -> None:
    settings = {**upstream.settings, "METRICS_PER_SESSION": "true"}
    with Daemon(home=tmp_path / "home", settings=settings) as daemon:
        daemon.create("a", wait_for="qr")
        eventually(lambda: upstream.of("a", "session.qr"))
        daemon.steer("a", "scan")
        daemon.until("a", "connected")
        os.kill(daemon.registry()["a"], signal.SIGKILL)
        eventually(lambda: upstream.of("a", "session.restarted"))
        daemon.until("a", "connected")

        daemon.ask("POST", "/v1/sessions/a/messages", {"to": "+85212345678", "text": "hello"})
        eventually(lambda: upstream.of("a", "message.sent"))
        scraped = eventually(
            lambda: found if ("openwa_manager_session_rss_bytes", "a") in (found := numbers(daemon)) else None
        )
        progress = daemon.ask("GET", "/readyz?verbose").body

    assert scraped["openwa_manager_sessions", "connected"] == 1
    assert scraped["openwa_manager_restarts_total", "engine_exited"] == 1
    assert scraped["openwa_manager_qr_push_seconds_count",] >= 1
    assert scraped["openwa_manager_commit_seconds_count",] >= 10
    assert scraped["openwa_manager_session_rss_bytes", "a"] > 0
    assert scraped["openwa_manager_messages_total", "sent", "api"] == 1
    assert scraped["openwa_manager_sends_total", "201"] == 1
    assert scraped["openwa_manager_send_hold_seconds_count",] == 1
    assert scraped["openwa_manager_acks_overdue",] == 0
    assert scraped["process_resident_memory_bytes",] > 0
    assert progress["sessions"] == {"total": 1, "adopted": 0, "queued": 0, "booting": 0, "running": 1}
