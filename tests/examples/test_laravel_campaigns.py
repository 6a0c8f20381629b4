"""Campaigns of the Laravel example against a real daemon: the tables at the end agree with what WhatsApp got."""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.times import iso8601
from tests.e2e.peers.daemon import eventually
from tests.examples.books import read_books
from tests.examples.campaigns import recipients, start, statuses
from tests.examples.laravel_site import HAS_LARAVEL, Site, artisan, one_picture, serving

pytestmark = pytest.mark.skipif(not HAS_LARAVEL, reason="needs the packages that test_laravel.py names")

#: As quick as it goes: what is looked at here is not the pace.
PACE = {
    "MESSAGE_GAP_MIN_S": "0.01",
    "MESSAGE_GAP_MAX_S": "0.03",
    "MESSAGE_RETRY_S": "[0.2, 0.4, 0.8]",
    "CONTACT_CHECK_GAP_S": "0.01",
    "BATCH_PROGRESS_S": "0.5",
    "HEARTBEAT_S": "1000",
}
#: The last four digits of recipients, and what their messages end as (docs/openwa.md, Simulator).
USUAL = [f"{number:04}" for number in range(1000, 1040)]
NOT_THERE, BLOCKED, WRONG = ["0001"] * 3, ["0002"] * 3, ["nobody", "+85212", "00 852 1234"]
UNSURE = ["0006", "0007", "0009", "0011"]
ODD = ["0008", "0012", "0013", "0014", "0016", "0017"]
REFUSED_LATE = ["0015"]
WAITED_FOR = ("waiting", "queued")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path, PACE) as running:
        yield running


def run_cron_and_kill_it(site: Site, pause_s: float) -> None:
    """Let cron begin, end all it started after a while, and wait (in its table) until a dead one has lost its claim."""
    argv = ["php", "artisan", "schedule:run"]
    job = subprocess.Popen(argv, cwd=site.folder, start_new_session=True, stdout=subprocess.DEVNULL)
    time.sleep(pause_s)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait(10)
    site.rows("UPDATE openwa_campaigns SET next_try_at = '2026-01-01' WHERE status IN ('scheduled', 'handing_over')")


def is_settled(site: Site) -> bool:
    """Tell whether no message waits, and none that was sent lacks its acknowledgement without being meant to."""
    told = statuses(site)
    late = [to for to, status in told.items() if status == "sent" and to[-4:] != "0012"]
    return not late and not [status for status in told.values() if status in WAITED_FOR]


def counts_shown(site: Site, number: Json) -> Json:
    """Return how many messages are in each state, as the page shows them."""
    return site.ask_app("GET", f"/openwa/campaigns/{number}").body["counts"]


def test_at_the_end_the_tables_agree_with_what_whatsapp_got(site: Site) -> None:
    name = site.connect()
    people = recipients([*USUAL, *NOT_THERE, *BLOCKED, *WRONG, *UNSURE, *ODD, *REFUSED_LATE])
    number = start(site, name, people)

    site.run_cron()
    eventually(lambda: site.ask_app("GET", f"/openwa/campaigns/{number}").body["status"] == "completed", within_s=60)
    eventually(lambda: is_settled(site), within_s=20)

    told = statuses(site)
    books = Counter(f"+{entry['chat_id'].removesuffix('@c.us')}" for entry in read_books(site.daemon, name))
    by_ending = {to[-4:]: status for to, status in told.items()}
    assert len(people) == 60
    assert max(books.values()) == 1
    assert set(books) <= set(told)
    assert {to for to, status in told.items() if status in ("sent", "delivered", "read")} <= set(books)
    assert {status for to, status in told.items() if to in books} <= {"sent", "delivered", "read", "failed", "unknown"}
    assert {by_ending[ending] for ending in USUAL} == {"read"}
    assert (by_ending["0001"], by_ending["0002"], by_ending["0015"]) == ("bounced", "bounced", "failed")
    assert [to for to, status in told.items() if status == "rejected"] == WRONG
    assert by_ending["0007"] == "unknown"
    assert site.rows("SELECT contact, keyword FROM openwa_opt_outs")[0][1] == "STOP"
    assert site.rows("SELECT accepted FROM openwa_campaign_batches") == [(57,)]
    eventually(lambda: counts_shown(site, number) == Counter(statuses(site).values()))  # the last read may still come

    stopped = next(to for to in told if to.endswith("0016"))
    start(site, name, [{"to": stopped, "variables": {"name": "nobody"}}])
    site.run_cron()
    assert site.rows("SELECT status, error_code FROM openwa_campaign_messages ORDER BY id DESC LIMIT 1") == [
        ("rejected", "opted_out")
    ]


def test_pictures_are_fetched_once_and_a_text_goes_where_there_is_none(site: Site) -> None:
    name = site.connect()
    with one_picture() as url:
        start(site, name, recipients(USUAL[:4]), image_url=url, caption="For {{name}}", text=None)
        site.run_cron()
        eventually(lambda: set(statuses(site).values()) == {"read"})
    start(site, name, recipients(["2000"]), image_url=f"{url}.gone", fallback_text="See our page", text=None)
    site.run_cron()
    eventually(lambda: set(statuses(site).values()) == {"read"})

    books = read_books(site.daemon, name)
    assert [(entry["kind"], entry["text"]) for entry in books] == [
        *(("image", f"For No. {place}") for place in range(4)),
        ("text", "See our page"),
    ]


@pytest.mark.slow
def test_a_job_that_is_killed_anywhere_and_run_again_sends_nothing_twice(site: Site) -> None:
    name = site.connect()
    start(site, name, recipients(USUAL))

    for pause_s in (0.15, 0.25, 0.35, 0.5):
        run_cron_and_kill_it(site, pause_s)
    site.run_cron()
    eventually(lambda: site.rows("SELECT 1 FROM openwa_campaigns WHERE status = 'completed'"), within_s=60)
    eventually(lambda: set(statuses(site).values()) == {"read"})

    books = Counter(entry["chat_id"] for entry in read_books(site.daemon, name))
    assert len(books) == len(USUAL)
    assert set(books.values()) == {1}


@pytest.mark.slow
def test_a_long_list_goes_in_two_calls_and_survives_kills_within_them(site: Site) -> None:
    name = site.connect()
    tomorrow = iso8601(time.time_ns() / 1e9 + 86_400)
    people: list[Json] = [{"to": f"+8526{place:07}", "variables": {"name": f"No. {place}"}} for place in range(10_020)]
    start(site, name, people, send_after=tomorrow)

    for pause_s in (0.4, 0.8, 1.2, 1.6, 2.4):
        run_cron_and_kill_it(site, pause_s)
    site.run_cron()

    queue = site.daemon.ask("GET", f"/v1/sessions/{name}/queue").body
    batches = site.daemon.ask("GET", f"/v1/sessions/{name}/batches").body["batches"]
    assert isinstance(batches, list)
    assert (queue["length"], len(batches)) == (10_020, 2)
    series = str(site.rows("SELECT name FROM openwa_campaign_batches")[0][0]).removesuffix("-0")
    assert series.startswith("campaign-1-")
    assert site.rows("SELECT name, accepted FROM openwa_campaign_batches") == [
        (f"{series}-0", 10_000),
        (f"{series}-1", 20),
    ]
    assert set(statuses(site).values()) == {"queued"}


def test_a_call_whose_answer_was_not_stored_is_made_again_and_changes_nothing(site: Site) -> None:
    name = site.connect()
    start(site, name, recipients(USUAL[:5]))
    site.run_cron()
    eventually(lambda: set(statuses(site).values()) == {"read"})
    former = site.rows("SELECT batch_id FROM openwa_campaign_batches")

    site.rows("UPDATE openwa_campaigns SET status = 'handing_over', next_try_at = '2026-01-01'")
    site.rows("UPDATE openwa_campaign_batches SET batch_id = NULL, handed_over_at = NULL")
    site.run_cron()

    assert site.rows("SELECT batch_id FROM openwa_campaign_batches") == former
    assert set(statuses(site).values()) == {"read"}
    assert len(read_books(site.daemon, name)) == 5


def test_while_the_manager_is_away_the_campaign_waits(site: Site) -> None:
    name = site.connect()
    start(site, name, recipients(USUAL[:3]))
    site.daemon.kill()

    site.run_cron()
    waiting = site.rows("SELECT status, attempts, error_code, next_try_at > datetime('now') FROM openwa_campaigns")
    site.daemon.start()
    site.daemon.until(name, "connected")
    site.rows("UPDATE openwa_campaigns SET next_try_at = '2026-01-01'")
    site.run_cron()

    assert waiting == [("handing_over", 1, "no_answer", 1)]
    eventually(lambda: set(statuses(site).values()) == {"read"})
    assert site.rows("SELECT error_code FROM openwa_campaigns") == [(None,)]


def test_a_campaign_that_can_never_be_taken_says_why(site: Site) -> None:
    name = site.connect()
    start(site, name, recipients(USUAL[:3]), window={"from": "09:00", "to": "20:00", "time_zone": "Mars/Olympus"})

    site.run_cron()

    assert site.rows("SELECT status, error_code FROM openwa_campaigns") == [("failed", "invalid")]
    assert set(statuses(site).values()) == {"failed"}


def test_a_users_quota_takes_what_fits_and_then_nothing(site: Site) -> None:
    name = site.connect()
    argv = ["php", "ask.php", json.dumps(["setQuota", ["7", 2]]), json.dumps(["quota", ["7"]])]
    asked = subprocess.run(argv, cwd=site.folder, capture_output=True, text=True, timeout=50, check=True)
    start(site, name, recipients(USUAL[:3]))
    site.run_cron()
    eventually(lambda: Counter(statuses(site).values()) == {"read": 2, "rejected": 1})
    start(site, name, recipients(["2000"]))
    site.run_cron()

    assert json.loads(asked.stdout.splitlines()[1])[1]["messages_limit"] == 2
    assert site.rows("SELECT error_code FROM openwa_campaign_messages WHERE status = 'rejected'") == [
        ("quota_exceeded",)
    ]
    assert site.rows("SELECT status, error_code FROM openwa_campaigns WHERE id = 2") == [("failed", "quota_exceeded")]


def test_what_no_event_told_is_asked_for(site: Site) -> None:
    name = site.connect()
    start(site, name, recipients([*USUAL[:3], "0002"]))
    site.run_cron()
    eventually(lambda: Counter(statuses(site).values()) == {"read": 3, "bounced": 1})
    eventually(lambda: site.rows("SELECT 1 FROM openwa_campaigns WHERE status = 'completed'"))
    before = site.rows("SELECT * FROM openwa_campaign_messages")

    site.rows(
        "UPDATE openwa_campaign_messages SET status = 'queued', error_code = NULL, read_at = NULL, sent_at = NULL"
    )
    site.rows("UPDATE openwa_campaign_batches SET completed_at = NULL")
    site.rows("UPDATE openwa_campaigns SET status = 'handed_over'")
    printed = artisan(site.folder, "wa:reconcile", "1")

    assert sorted(printed.split()) == sorted(["1", "bounced", "3", "read"])
    assert [row[:12] for row in site.rows("SELECT * FROM openwa_campaign_messages")] == [row[:12] for row in before]
    assert site.rows("SELECT status FROM openwa_campaigns") == [("completed",)]


def test_a_campaign_is_stopped_goes_on_and_is_called_off(tmp_path: Path) -> None:
    with serving(tmp_path, PACE | {"MESSAGE_GAP_MIN_S": "0.5", "MESSAGE_GAP_MAX_S": "0.6"}) as site:
        name = site.connect()
        number = start(site, name, recipients(USUAL[:30]))
        site.run_cron()
        eventually(lambda: "read" in statuses(site).values())

        paused = site.ask_app("PATCH", f"/openwa/campaigns/{number}", {"state": "paused"}).status
        batch = str(site.rows("SELECT batch_id FROM openwa_campaign_batches")[0][0])
        state = site.daemon.ask("GET", f"/v1/batches/{batch}").body["state"]
        going_on = site.ask_app("PATCH", f"/openwa/campaigns/{number}", {"state": "active"}).status
        strangers = site.ask_app("DELETE", f"/openwa/campaigns/{number}", user="8").status
        shown = site.ask_app("DELETE", f"/openwa/campaigns/{number}")
        eventually(lambda: not {*statuses(site).values()} - {"read", "cancelled"})

        assert (paused, state, going_on, strangers, shown.status) == (200, "paused", 200, 404, 200)
        assert shown.body["status"] == "cancelled"
        sent = [to for to, status in statuses(site).items() if status == "read"]
        assert 1 <= len(sent) == len(read_books(site.daemon, name)) < 30


def test_a_session_is_tried_by_hand_up_to_the_delivery_of_a_message(tmp_path: Path) -> None:
    with serving(tmp_path, PACE) as site:
        site.daemon.ask("POST", "/v1/sessions", {"session_id": "trial", "env": {"SIM_AUTO_SCAN_S": "1"}})

        good = artisan(site.folder, "wa:test-session", "trial", "--to=+85260001000", "--timeout=30")
        bad = artisan(site.folder, "wa:test-session", "trial", "--to=+85260000002", "--timeout=30", code=1)
        nobody = artisan(site.folder, "wa:test-session", "trial", "--to=nobody", code=1)

    assert "trial is connected as " in good
    assert good.rstrip().endswith(("delivered", "read"))
    assert "bounced (blocked" in bad
    assert "422 invalid_recipient" in nobody
