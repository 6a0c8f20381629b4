"""The command against an API on a real socket: what it asks, and how it is drawn."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api, problem

ROOM = {"code": "room", "level": "ok", "subject": "host", "detail": "room for 9 more sessions", "cure": None}
BANNED = {
    "code": "banned",
    "level": "fail",
    "subject": "user_1",
    "detail": "WhatsApp banned the number \x1b[31m",
    "cure": "link another number; " * 6,
}
FORMER = {
    "code": "webhook_failing",
    "level": "fail",
    "subject": "endpoint ep_1",
    "detail": "it answers 500",
    "cure": None,
}


def test_sessions_are_told_by_the_daemon_what_is_wrong_first(terminal: Run, api: Api) -> None:
    api.on("GET /v1/doctor", Answer(body={"findings": [ROOM, BANNED]}))

    said = terminal("doctor", "user_1", "user_2_*")

    lines = said.out.splitlines()
    assert [asked.query for asked in api.asked] == [{"session_id": "user_1"}, {"session_id": "user_2_*"}]
    assert lines[0].startswith("fail  banned          user_1: WhatsApp banned the number")
    assert lines[1].startswith("      do: link another number; link")
    assert lines[2].startswith("          ")
    assert lines[-1] == "ok    room            room for 9 more sessions"
    assert max(map(len, lines)) <= 120
    assert "\x1b" not in said.out
    assert said.code == 0


def test_what_a_newer_daemon_says_is_shown_last_and_steers_no_terminal(terminal: Run, api: Api) -> None:
    odd = {**ROOM, "level": "note", "code": "of later"}
    well = [{**ROOM, "code": f"well{number}\x1b[31m"} for number in range(9)]
    api.on("GET /v1/doctor", Answer(body={"findings": [odd, *well, BANNED]}))

    said = terminal("doctor", "user_1")

    assert said.code == 0
    assert "\x1b" not in said.out
    assert said.out.startswith("fail  banned")
    assert "note  of later" in said.out


def test_a_session_that_is_not_there_exits_with_3(pipe: Run, api: Api) -> None:
    api.on("GET /v1/doctor", problem(404, "not_found", "there is no such session"))

    said = pipe("doctor", "nobody")

    assert said.code == 3
    assert "no session 'nobody'; openwa-manager list shows them" in said.err


@pytest.fixture
def elsewhere(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the checks of this host out, as for a daemon elsewhere."""
    api.on("GET /v1/doctor", Answer(body={"findings": [ROOM, FORMER]}))
    monkeypatch.setenv("OPENWA_MANAGER_ENGINE", "simulator")
    api.on("GET /v1/system", Answer(body={"version": "0.0.1"}))


@pytest.mark.usefixtures("elsewhere")
def test_the_engine_of_the_daemon_that_runs_is_judged(
    pipe: Run, api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENWA_MANAGER_ENGINE", "openwa")
    monkeypatch.setenv("OPENWA_MANAGER_OPENWA_HOME", str(tmp_path / "absent"))
    api.on("GET /v1/endpoints", Answer(body={"endpoints": []}))
    silent = [each["code"] for each in json.loads(pipe("doctor", "-o", "json").out)["findings"]]
    api.on("GET /v1/system", Answer(body={"version": "0.0.1", "engine": "simulator"}))

    said = [each["code"] for each in json.loads(pipe("doctor", "-o", "json").out)["findings"]]

    assert "openwa" in silent
    assert "openwa" not in said


@pytest.mark.usefixtures("elsewhere")
def test_an_endpoint_is_judged_by_its_test_and_no_more_by_what_was_before(pipe: Run, api: Api) -> None:
    api.on("GET /v1/endpoints", Answer(body={"endpoints": [{"endpoint_id": "ep_1", "active": True}]}))
    api.on("POST /v1/endpoints/ep_1/test", Answer(body={"status": 419, "error": "HTTP 419"}))

    said = pipe("doctor")

    document = said.document
    assert isinstance(document, dict)
    found = [each for each in document["findings"] if each["subject"] == "endpoint ep_1"]
    assert [each["code"] for each in found] == ["webhook_csrf"]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("endpoints", "code"),
    [([], "upstream_missing"), ([{"endpoint_id": "ep_2", "active": True}], "endpoint_test")],
)
def test_a_daemon_without_endpoints_and_a_test_that_is_refused_are_told(
    pipe: Run, api: Api, endpoints: list[dict[str, object]], code: str
) -> None:
    api.on("GET /v1/endpoints", Answer(body={"endpoints": endpoints}))  # type: ignore[dict-item]
    api.on("POST /v1/endpoints/ep_2/test", problem(429, "rate_limited", "too many"))

    document = pipe("doctor").document

    assert isinstance(document, dict)
    assert code in {each["code"] for each in document["findings"]}
