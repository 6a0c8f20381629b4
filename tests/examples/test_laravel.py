"""What the Laravel example does with a session's life, with forged and repeated events, and with a silent session."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import eventually
from tests.examples.backend import SECRET, plain_header, standard_headers
from tests.examples.laravel_site import HAS_LARAVEL, Site, serving

pytestmark = pytest.mark.skipif(
    not HAS_LARAVEL,
    reason="needs Debian's php-laravel-framework, php-guzzlehttp-guzzle, php-cli, php-curl and php-sqlite3",
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path, {"HEARTBEAT_S": "1000"}) as running:
        yield running


def status_event(number: int, status: str) -> dict[str, Json]:
    return {
        "id": f"evt_{number}",
        "type": "session.status",
        "session_id": "acme",
        "user_id": "7",
        "seq": number,
        "status": status,
        "reason": None,
    }


def now() -> float:
    return time.time_ns() / 1e9


def test_a_users_session_goes_through_code_scan_message_crash_and_ban(site: Site) -> None:
    created = site.ask("POST", "", {})
    name = str(created.body["session_id"])
    shown = eventually(lambda: answer if "qr_base64" in (answer := site.ask("GET", f"/{name}/qr")).body else None)
    site.daemon.steer(name, "scan")
    eventually(lambda: site.has_status(name, "connected"))
    scanned = eventually(lambda: answer if "qr_base64" not in (answer := site.ask("GET", f"/{name}/qr")).body else None)
    sent = site.ask("POST", f"/{name}/messages", {"to": "+85212345678", "text": "Hello"})
    eventually(lambda: site.rows("SELECT 1 FROM openwa_messages WHERE status = 'delivered'"))
    former = site.daemon.registry()[name]
    os.kill(former, signal.SIGKILL)
    eventually(lambda: len(site.rows("SELECT 1 FROM openwa_processed_events WHERE type = 'session.connected'")) == 2)
    site.daemon.steer(name, "close?code=403")
    eventually(lambda: site.has_status(name, "banned"))

    assert (created.status, sent.status) == (201, 202)
    assert site.rows("SELECT message_id FROM openwa_messages") == [(sent.body["message_id"],)]
    assert name.startswith("user_7_session_")
    assert created.body["qr_base64"] == shown.body["qr_base64"]
    assert scanned.body == {"status": "connected"}
    assert site.rows("SELECT user_id, reason, phone_number IS NOT NULL FROM openwa_sessions") == [("7", "banned", 1)]


def test_a_session_can_be_seen_used_and_deleted_by_its_owner_only(site: Site) -> None:
    name = str(site.ask("POST", "", {}).body["session_id"])

    strangers = [
        site.ask("GET", f"/{name}", user="8").status,
        site.ask("GET", f"/{name}/qr", user="8").status,
        site.ask("POST", f"/{name}/messages", {"to": "+85212345678", "text": "Hello"}, user="8").status,
        site.ask("DELETE", f"/{name}", user="8").status,
    ]
    owner = site.ask("DELETE", f"/{name}").status

    assert strangers == [404, 404, 404, 404]
    assert owner == 204
    assert site.daemon.ask("GET", f"/v1/sessions/{name}").status == 404
    eventually(lambda: not site.rows("SELECT 1 FROM openwa_sessions"))


def test_what_is_forged_old_or_unsigned_is_refused_and_nothing_is_stored(site: Site) -> None:
    before = site.rows("SELECT count(*) FROM openwa_processed_events")
    event = status_event(1, "connected")

    answers = [
        site.backend.post(event),
        site.backend.post(event, **standard_headers(event, now(), "whsec_b3RoZXI=")),
        site.backend.post(event, **standard_headers(event, now() - 301)),
        site.backend.post(status_event(1, "banned"), **standard_headers(event, now())),
        site.backend.post(event, **plain_header(event)),
    ]

    assert answers == [401] * 5
    assert site.rows("SELECT count(*) FROM openwa_processed_events") == before
    assert not site.rows("SELECT 1 FROM openwa_sessions")


def test_a_repeated_event_is_taken_and_changes_nothing(site: Site) -> None:
    first, second = status_event(1, "qr_ready"), status_event(2, "connected")

    answers = [site.backend.post(event, **standard_headers(event, now())) for event in (first, second, first, first)]

    assert answers == [204] * 4
    assert site.has_status("acme", "connected")
    assert len(site.rows("SELECT 1 FROM openwa_processed_events WHERE event_id LIKE 'evt__'")) == 2


def test_the_plain_check_needs_only_the_body_and_the_secret(site: Site) -> None:
    with (site.folder / ".env").open("a") as file:
        file.write("OPENWA_SIGNATURE=plain\n")
    event = status_event(1, "qr_ready")

    answers = [site.backend.post(event, **plain_header(event, secret)) for secret in ("other", SECRET)]

    assert answers == [401, 204]
    assert site.has_status("acme", "qr_ready")


def test_cron_restarts_a_silent_session_that_is_not_well(site: Site) -> None:
    name = str(site.ask("POST", "", {}).body["session_id"])  # nobody scans its code
    eventually(lambda: site.has_status(name, "qr_ready"))
    former = site.daemon.registry()[name]
    site.fall_silent(name)

    site.run_cron()

    eventually(lambda: site.daemon.registry().get(name, former) != former)
    eventually(lambda: site.has_status(name, "qr_ready"))


def test_cron_leaves_alone_a_silent_session_that_is_well(site: Site) -> None:
    name = site.connect()
    former = site.daemon.registry()[name]
    site.fall_silent(name)

    site.run_cron()

    assert site.has_status(name, "connected")
    assert site.rows("SELECT 1 FROM openwa_sessions WHERE last_heartbeat_at > '2026'") == [(1,)]
    assert site.daemon.registry() == {name: former}


def test_cron_never_restarts_a_banned_session(site: Site) -> None:
    name = site.connect()
    site.daemon.steer(name, "close?code=403")
    eventually(lambda: site.has_status(name, "banned"))
    site.fall_silent(name)

    site.run_cron()

    assert site.has_status(name, "banned")
    assert site.daemon.registry() == {}


def test_a_heartbeat_is_noted_and_ends_staleness(tmp_path: Path) -> None:
    with serving(tmp_path, {"HEARTBEAT_S": "0.3"}) as site:
        name = str(site.ask("POST", "", {}).body["session_id"])
        site.daemon.steer(name, "scan")
        eventually(lambda: site.has_status(name, "connected"))
        site.rows("UPDATE openwa_sessions SET status = 'stale', last_heartbeat_at = '2025-01-01'")

        eventually(lambda: site.has_status(name, "connected"))

        assert site.rows("SELECT 1 FROM openwa_sessions WHERE last_heartbeat_at > '2026'") == [(1,)]
