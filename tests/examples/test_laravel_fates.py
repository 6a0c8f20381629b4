"""What the Laravel example believes of its campaigns: events in any order, of others, and troubles of one of them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.examples.backend import standard_headers
from tests.examples.campaigns import recipients, start, statuses
from tests.examples.laravel_site import HAS_LARAVEL, Site, serving_alone

pytestmark = pytest.mark.skipif(not HAS_LARAVEL, reason="needs the packages that test_laravel.py names")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Site]:
    with serving_alone(tmp_path) as running:
        running.rows("INSERT INTO openwa_sessions (session_id, user_id) VALUES ('acme', '7')")
        yield running


def fate(number: int, kind: str, **more: Json) -> dict[str, Json]:
    """Return an event about the first message of the first campaign."""
    return {
        "id": f"evt_{number}",
        "type": f"message.{kind}",
        "timestamp": f"2026-11-22T07:22:{number:02}.165Z",
        "session_id": "acme",
        "user_id": "7",
        "message_id": "3EB0",
        "manager_message_id": "msg_01A",
        "batch_id": "batch_1",
        "reference": "campaign-1-0-0",
        "to": "+85260001000",
        "error_code": None,
        "error_detail": None,
        "status": kind,
        **more,
    }


def schedule(site: Site, people: list[dict[str, Json]]) -> int:
    """Write a campaign down, whose names are without the random part, so that events here can say them."""
    number = start(site, "acme", people)
    site.rows("UPDATE openwa_campaign_messages SET reference = 'campaign-' || campaign_id || '-0-' || position")
    site.rows("UPDATE openwa_campaign_batches SET name = 'campaign-' || campaign_id || '-0'")
    return number


def post(site: Site, *events: dict[str, Json]) -> list[int]:
    """Post events as the manager does."""
    return [site.backend.post(event, **standard_headers(event, time.time_ns() / 1e9)) for event in events]


def test_events_that_come_early_late_twice_or_in_any_order_leave_the_furthest_state(app: Site) -> None:
    schedule(app, recipients(["1000", "1001", "1002"]))
    second = {"reference": "campaign-1-0-1", "manager_message_id": "msg_01B", "message_id": None}
    third = {"reference": "campaign-1-0-2", "manager_message_id": "msg_01C", "message_id": "3EB2"}

    answers = post(
        app,
        fate(1, "read"),
        fate(2, "sent"),
        fate(3, "delivered"),
        fate(1, "read"),
        fate(4, "failed", status="unknown", error_code="no_answer", **second),
        fate(5, "sent", **second),
        fate(6, "failed", status="bounced", error_code="blocked", **third),
        fate(7, "sent", **third),
    )

    assert answers == [204] * 8
    assert app.rows(
        "SELECT status, error_code, manager_message_id, whatsapp_message_id, sent_at, delivered_at, read_at"
        " FROM openwa_campaign_messages WHERE position < 2"
    ) == [
        ("read", None, "msg_01A", "3EB0", "2026-11-22 07:22:01", "2026-11-22 07:22:03", "2026-11-22 07:22:01"),
        ("sent", None, "msg_01B", None, "2026-11-22 07:22:05", None, None),
    ]
    assert app.rows("SELECT status, error_code FROM openwa_campaign_messages WHERE position = 2") == [
        ("bounced", "blocked")
    ]


def test_a_message_that_a_person_sends_again_is_followed_from_then_on(app: Site) -> None:
    schedule(app, recipients(["1000"]))

    post(app, fate(1, "failed", error_code="media_unavailable", message_id=None))
    post(app, fate(2, "sent", manager_message_id="msg_02A", message_id="3EB9"))
    post(app, fate(3, "failed", status="unknown"))  # of the former one, late

    assert app.rows("SELECT status, error_code, whatsapp_message_id FROM openwa_campaign_messages") == [
        ("sent", None, "3EB9")
    ]


def test_the_progress_of_a_batch_counts_before_its_id_is_known_and_never_goes_back(app: Site) -> None:
    schedule(app, recipients(["1000"]))

    def progress(number: int, kind: str, sent: int) -> dict[str, Json]:
        about = {"name": "campaign-1-0", "counts": {"sent": sent}, "reply_share": None, "estimated_at": None}
        return {**fate(number, "sent"), "type": f"batch.{kind}", **about}

    answers = post(app, progress(2, "progress", 2), progress(1, "progress", 1), progress(4, "completed", 4))
    answers += post(app, progress(3, "progress", 3))

    assert answers == [204] * 4
    [(counts, completed_at)] = app.rows("SELECT counts, completed_at FROM openwa_campaign_batches")
    assert json.loads(str(counts)) == {"sent": 4}
    assert completed_at == "2026-11-22 07:22:04"


def test_one_campaigns_trouble_stays_its_own(app: Site) -> None:
    schedule(app, recipients(["1000"]))
    schedule(app, recipients(["1001"]))
    app.rows("UPDATE openwa_campaigns SET created_at = NULL, next_try_at = '2026-01-01' WHERE id = 1")  # as a bug would

    app.run_cron()

    assert app.rows("SELECT attempts, error_code FROM openwa_campaigns") == [(0, None), (1, "no_answer")]


def test_a_campaign_that_is_called_off_in_time_is_handed_over_to_nobody(app: Site) -> None:
    number = schedule(app, recipients(["1000"]))

    shown = app.ask_app("DELETE", f"/openwa/campaigns/{number}").body
    app.run_cron()

    assert (shown["status"], shown["counts"]) == ("cancelled", {"cancelled": 1})
    assert app.rows("SELECT status, attempts FROM openwa_campaigns") == [("cancelled", 0)]


def test_an_event_of_another_session_changes_nothing_whatever_names_it_uses(app: Site) -> None:
    schedule(app, recipients(["1000"]))
    about: dict[str, Json] = {"name": "campaign-1-0", "counts": {}, "reply_share": None, "estimated_at": None}

    post(app, fate(1, "read", session_id="other"))
    post(app, {**fate(2, "sent", session_id="other"), "type": "batch.completed", **about})

    assert set(statuses(app).values()) == {"waiting"}
    assert app.rows("SELECT told_at FROM openwa_campaign_batches") == [(None,)]


def test_a_list_with_somebody_who_has_no_number_is_refused_by_the_page(app: Site) -> None:
    body: dict[str, Json] = {"session_id": "acme", "name": "A", "text": "Hello", "recipients": [{"to": "+1"}, {}]}

    reply = app.ask_app("POST", "/openwa/campaigns", body)

    assert reply.status == 422
    assert "Recipient 1" in json.dumps(reply.body)
    assert not app.rows("SELECT 1 FROM openwa_campaigns")
