"""The doctor at a real daemon: each row of the guide's table of trouble is provoked, and named with its cure."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import cast

import pytest

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.diagnosis.table import TABLE
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually

Serve = Callable[..., Daemon]
Finding = dict[str, str]

SETTINGS = {
    "MESSAGE_GAP_MIN_S": "0",
    "MESSAGE_GAP_MAX_S": "0",
    "CONTACT_CHECK_GAP_S": "0",
    "PAIRING_WINDOW_S": "300",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(home=tmp_path_factory.mktemp("doctor") / "home", engine_env=SCANNED, settings=SETTINGS) as daemon:
        yield daemon


def connected(daemon: Daemon, session_id: str, **env: str) -> str:
    daemon.create(session_id, env=env)
    daemon.until(session_id, "connected")
    return session_id


def findings_of(daemon: Daemon, session_id: str) -> dict[str, Finding]:
    answer = daemon.ask("GET", f"/v1/doctor?session_id={session_id}")
    assert answer.status == 200, answer.raw
    findings = cast("list[Finding]", answer.body["findings"])
    return {each["code"]: each for each in findings}


def until_found(daemon: Daemon, session_id: str, code: str) -> Finding:
    """Return the finding once it is there; its cure must be one line that names what to do."""
    seen: dict[str, Finding] = {}

    def look() -> Finding | None:
        seen.update(findings_of(daemon, session_id))
        return seen.get(code)

    try:
        finding = eventually(look, within_s=60, every_s=0.3)
    except AssertionError:
        pytest.fail(f"{code} was not found, but {seen}")
    assert finding["cure"], finding
    assert "\n" not in finding["cure"] + finding["detail"]
    assert "{" not in finding["cure"] + finding["detail"]
    assert finding["level"] == TABLE[code].level
    return finding


def send(daemon: Daemon, session_id: str, to: str, **content: str) -> int:
    body: dict[str, Json] = {"to": to, **(content or {"text": "hello"})}
    return daemon.ask("POST", f"/v1/sessions/{session_id}/messages", body).status


@pytest.mark.parametrize(
    ("code", "engine_env", "settings"),
    [
        ("host_short", {}, {"MIN_FREE_MEMORY_BYTES": str(10**15)}),
        ("engine_booting", {"SIM_BOOT_S": "40"}, {}),
        ("engine_silent", {"SIM_BOOT_S": "60"}, {"BOOT_TIMEOUT_S": "1", "CRASH_LOOP_COUNT": "1"}),
        ("engine_crashes", {"SIM_EXIT_AT_BOOT": "1"}, {"CRASH_LOOP_COUNT": "2"}),
        ("no_code_yet", {"SIM_QR_DELAY_S": "100"}, {}),
        ("no_code_came", {"SIM_QR_DELAY_S": "100"}, {"LINK_INITIALIZING_S": "1"}),
        ("code_expired", {"SIM_QR_DELAY_S": "0.05"}, {"PAIRING_WINDOW_S": "1"}),
        ("code_shown", {"SIM_QR_DELAY_S": "0.05"}, {}),
        ("scan_not_connected", {**SCANNED, "SIM_OPEN_S": "100"}, {"LINK_AUTHENTICATING_S": "1"}),
    ],
)
def test_why_no_code_comes_is_named(
    serve: Serve, code: str, engine_env: dict[str, str], settings: dict[str, str]
) -> None:
    daemon = serve(engine_env=engine_env, settings=settings)
    daemon.create("user_1_session_a")

    until_found(daemon, "user_1_session_a", code)


def test_a_start_that_waits_for_another_is_named(serve: Serve) -> None:
    daemon = serve(engine_env={"SIM_BOOT_S": "30"}, settings={"START_CONCURRENCY": "1"})
    for session_id in ("first", "second"):
        daemon.create(session_id)

    until_found(daemon, "second", "start_waits")


def test_a_program_that_is_missing_is_named(serve: Serve) -> None:
    daemon = serve(engine="openwa", settings={"NODE": "no-such-node", "CRASH_LOOP_COUNT": "1"})
    daemon.create("a")

    assert "install Node.js" in until_found(daemon, "a", "launch_failed")["detail"]


@pytest.mark.parametrize(
    ("code", "verb"),
    [
        ("banned", "close?code=403"),
        ("logged_out", "close?code=401"),
        ("replaced", "close?code=440"),
        ("link_down", "close?code=408"),
    ],
)
def test_an_account_that_is_lost_is_named(daemon: Daemon, code: str, verb: str) -> None:
    session_id = connected(daemon, f"lost_{code}", SIM_RECONNECT_S="100")
    daemon.steer(session_id, verb)

    until_found(daemon, session_id, code)


def test_data_that_are_gone_are_named(daemon: Daemon) -> None:
    session_id = connected(daemon, "emptied")
    shutil.rmtree(daemon.home / "sessions" / session_id / "data")
    with suppress(OSError, HTTPException):
        daemon.steer(session_id, "crash")

    assert "copy" in until_found(daemon, session_id, "engine_data_lost")["cure"]


def test_an_account_that_may_write_to_nobody_new_is_named(daemon: Daemon) -> None:
    session_id = connected(daemon, "limited_account")
    for number in ("+85212340003", "+85212350003"):
        send(daemon, session_id, number)

    until_found(daemon, session_id, "held_restricted")


def test_messages_that_expired_are_named(daemon: Daemon) -> None:
    session_id = connected(daemon, "late")
    daemon.ask("POST", f"/v1/sessions/{session_id}/stop")
    daemon.until(session_id, "stopped")
    soon = datetime.now(UTC) + timedelta(seconds=2)  # noqa: TID251 callers say dates
    assert send(daemon, session_id, "+85212340100", text="hello", expires_at=soon.isoformat()) == 202

    until_found(daemon, session_id, "messages_expired")


def test_messages_that_wait_say_why(daemon: Daemon) -> None:
    session_id = connected(daemon, "waits")
    daemon.ask("PATCH", f"/v1/sessions/{session_id}/queue", {"state": "paused"})
    assert send(daemon, session_id, "+85212340100") == 202
    paused = until_found(daemon, session_id, "held_paused")
    daemon.ask("PATCH", f"/v1/sessions/{session_id}/queue", {"state": "active"})
    daemon.ask("POST", f"/v1/sessions/{session_id}/stop")
    daemon.until(session_id, "stopped")
    assert send(daemon, session_id, "+85212340101") == 202

    until_found(daemon, session_id, "stopped")
    until_found(daemon, session_id, "held_not_connected")
    assert paused["cure"] == f"openwa-manager queue {session_id} --resume"


def test_messages_that_were_not_taken_in_say_why(daemon: Daemon) -> None:
    session_id = connected(daemon, "user_7_session_a")
    daemon.ask("POST", "/v1/users/7/suppressions", {"to": "+85212340100"})
    refused = [send(daemon, session_id, to) for to in ("0912 345", "+85212340100")]
    daemon.ask("PUT", "/v1/users/7/quota", {"messages_limit": 0})
    refused.append(send(daemon, session_id, "+85212340102"))
    daemon.ask("PUT", "/v1/users/7/quota", {"messages_limit": None})
    daemon.ask("PATCH", f"/v1/sessions/{session_id}/queue", {"profile": "careful"})
    taken = [send(daemon, session_id, f"+8521234{number}") for number in range(2000, 2020)]

    assert refused == [422, 422, 429]
    assert taken[-1] == 429
    until_found(daemon, session_id, "refused_recipient")
    found = findings_of(daemon, session_id)
    assert {"refused_opted_out", "refused_quota", "refused_cap"} <= found.keys()
    assert "+85212345678" in found["refused_recipient"]["cure"]


def test_media_that_nobody_outside_can_fetch_have_a_sentence_each(daemon: Daemon) -> None:
    session_id = connected(daemon, "media")
    urls = ("https://no-such-host.invalid/a.png", "http://10.1.2.3/storage/a.png")
    statuses = [send(daemon, session_id, "+85212340100", image_url=url) for url in urls]

    assert statuses == [202, 202]
    unresolved = until_found(daemon, session_id, "media_unresolved")
    private = until_found(daemon, session_id, "media_private")
    assert "not known" in unresolved["detail"]
    assert "private" in private["detail"]
    assert unresolved["cure"] != private["cure"]


def test_many_failures_are_named_with_their_cause(daemon: Daemon) -> None:
    session_id = connected(daemon, "fails")
    for number in range(6):
        send(daemon, session_id, f"+852123{number}0007")
    send(daemon, session_id, "+85212310001")
    send(daemon, session_id, "+85212310002")

    rate = until_found(daemon, session_id, "high_failure_rate")
    until_found(daemon, session_id, "messages_unknown")
    until_found(daemon, session_id, "not_on_whatsapp")
    until_found(daemon, session_id, "blocked")
    assert "2 s" in rate["cure"]


def test_too_many_requests_are_named(daemon: Daemon) -> None:
    session_id = connected(daemon, "limited")
    send(daemon, session_id, "+85212340005")

    until_found(daemon, session_id, "held_rate_limited")


def test_the_command_names_it_in_the_terminal_and_as_json(daemon: Daemon) -> None:
    for session_id in ("user_9_session_a", "user_9_session_b"):
        daemon.create(session_id, desired="stopped")
    done = run(daemon, "doctor", "user_9_*")
    none = run(daemon, "doctor", "nobody")

    findings = json.loads(done.stdout)["findings"]
    assert done.returncode == 0
    assert [list(each) for each in findings] == [["code", "level", "subject", "detail", "cure"]] * 2
    assert [(each["code"], each["subject"]) for each in findings] == [
        ("stopped", "user_9_session_a"),
        ("stopped", "user_9_session_b"),
    ]
    assert none.returncode == 3


def run(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "openwa_manager", "--home", str(daemon.home), *words),
        env={"PATH": os.environ["PATH"], "HOME": str(daemon.home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
