"""The commands that look on, against an API on a real socket."""

import json
import stat
from pathlib import Path

import pytest

from openwa_manager.cli.client import Client
from openwa_manager.cli.discovery import SocketDaemon
from openwa_manager.cli.errors import NotReachableError
from openwa_manager.cli.following import Follower
from openwa_manager.domain.delivery.events import Json
from tests.cli.commands.samples import code_of, modules_on
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api, problem, serving

PATH = "/v1/sessions/user_1"


def qr_answer(qr_base64: str) -> Answer:
    at = "2026-11-22T07:22:04.165Z"
    body: Json = {
        "seq": 3,
        "attempt": 1,
        "produced_at": at,
        "expires_at": at,
        "qr_base64": qr_base64,
        "mimetype": "image/png",
    }
    return Answer(body=body)


def event(number: int, **facts: Json) -> dict[str, Json]:
    common: dict[str, Json] = {
        "id": f"evt_{number}",
        "type": "session.connected",
        "event": "session.connected",
        "timestamp": "2026-11-22T07:22:04.165Z",
        "session_id": "user_1",
        "user_id": "1",
        "seq": number,
        "launch": 1,
        "host": "mac-mini-1",
    }
    return common | facts


def test_qr_draws_the_code_on_a_terminal(terminal: Run, api: Api) -> None:
    qr_base64, modules = code_of("2@pairing")
    api.on(f"GET {PATH}/qr", qr_answer(qr_base64))

    said = terminal("qr", "user_1")

    assert [row[4:-4] for row in modules_on(said.out)[4:]][: len(modules)] == modules
    assert "valid until 2026-11-22 07:22:04 UTC" in said.out


def test_qr_is_json_when_piped(pipe: Run, api: Api) -> None:
    answer = qr_answer("aW1hZ2U=")
    api.on(f"GET {PATH}/qr", answer)

    said = pipe("qr", "user_1", "--wait", "5")

    assert said.document == answer.body
    assert api.asked[0].query == {"wait": "5.0", "format": "json"}


def test_qr_may_go_to_a_file_only_its_owner_reads(pipe: Run, api: Api, tmp_path: Path) -> None:
    api.on(f"GET {PATH}/qr", qr_answer("data:image/png;base64,aW1hZ2U="))
    file = tmp_path / "code.png"

    said = pipe("qr", "user_1", "--output", str(file))

    assert (said.code, said.out, file.read_bytes()) == (0, "", b"image")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_qr_that_cannot_be_written_fails(pipe: Run, api: Api, tmp_path: Path) -> None:
    api.on(f"GET {PATH}/qr", qr_answer("aW1hZ2U="))

    said = pipe("qr", "user_1", "--output", str(tmp_path))

    assert (said.code, said.err) == (1, f"openwa-manager: {tmp_path} cannot be written: Is a directory\n")


def test_no_code_in_time_fails(pipe: Run, api: Api) -> None:
    api.on(f"GET {PATH}/qr", Answer(status=204))

    said = pipe("qr", "user_1")

    assert (said.code, said.out) == (1, "")
    assert "user_1 shows no code yet" in said.err


def test_no_code_to_come_fails_with_the_reason(pipe: Run, api: Api) -> None:
    api.on(f"GET {PATH}/qr", problem(409, "illegal_transition", "the session is connected"))

    assert pipe("qr", "user_1").code == 1


@pytest.mark.parametrize(
    ("words", "query"),
    [
        ("", {"tail": "200"}),
        ("--tail", {"tail": "200"}),
        ("--tail 5", {"tail": "5"}),
        ("--tail 0 -f", {"tail": "0", "follow": "1"}),
    ],
)
def test_logs_are_printed_as_they_are(pipe: Run, api: Api, words: str, query: dict[str, str]) -> None:
    api.on(f"GET {PATH}/logs", Answer(raw=b"\x1b[32mready\x1b[0m\nbytes \xff\n"))

    said = pipe("logs", "user_1", *words.split())

    assert said.out == "\x1b[32mready\x1b[0m\nbytes \N{REPLACEMENT CHARACTER}\n"
    assert api.asked[0].query == query


TIMELINE: dict[str, Json] = {
    "session_id": "user_1",
    "status": "restarting",
    "reason": None,
    "steps": [
        {
            "at": "2026-11-22T07:22:04.165Z",
            "stimulus": "process_exited",
            "decision": "back_off",
            "evidence": {"signal": 9, "exit_code": None},
        }
    ],
    "next_step": {"decision": "start", "at": "2026-11-22T07:22:05.165Z"},
}


def test_why_tells_the_story_and_what_comes_next(terminal: Run, api: Api) -> None:
    api.on(f"GET {PATH}/why", Answer(body=TIMELINE))

    said = terminal("why", "user_1", "--limit", "7")

    assert said.out.splitlines() == [
        "AT                   WHAT HAPPENED   DECISION  EVIDENCE",
        "2026-11-22 07:22:04  process_exited  back_off  signal=9, exit_code=-",
        "now: restarting; next: start 2026-11-22 07:22:05",
    ]
    assert api.asked[0].query == {"limit": "7"}


@pytest.mark.parametrize(
    ("next_step", "ahead"),
    [(None, "next: nothing by itself"), ({"decision": "start", "at": None}, "next: start as soon as it can")],
)
def test_why_says_when_nothing_is_due(terminal: Run, api: Api, next_step: Json, ahead: str) -> None:
    api.on(f"GET {PATH}/why", Answer(body=TIMELINE | {"steps": [], "next_step": next_step}))

    assert terminal("why", "user_1").out.endswith(f"{ahead}\n")


def test_events_are_a_page_as_json(pipe: Run, api: Api) -> None:
    page: Json = {"events": [event(1)], "next_after": 9}
    api.on("GET /v1/events", Answer(body=page))

    said = pipe("events", "--after", "3", "--limit", "2", "--type", "session.connected")

    assert said.document == page
    assert api.asked[0].query == {"after": "3", "limit": "2", "type": "session.connected"}


def test_without_a_position_the_newest_events_are_listed(pipe: Run, api: Api) -> None:
    api.on("GET /v1/events", Answer(body={"events": [event(1)], "next_after": 9}))

    pipe("events", "--limit", "5")

    assert api.asked[0].query == {"tail": "5"}


def test_events_of_a_session_are_a_table_on_a_terminal(terminal: Run, api: Api) -> None:
    code = event(2, type="session.qr", qr_base64="aW1hZ2U=", attempt=1, seq=None)
    api.on(f"GET {PATH}/events", Answer(body={"events": [event(1, phone_number="852"), code], "next_after": 9}))

    said = terminal("events", "user_1")

    assert said.out.splitlines() == [
        "TIME                 EVENT              SESSION  FACTS",
        "2026-11-22 07:22:04  session.connected  user_1   phone_number=852",
        "2026-11-22 07:22:04  session.qr         user_1   qr_base64=…, attempt=1",
    ]


def stream_of(*frames: tuple[int, dict[str, Json]]) -> Answer:
    """Return a stream that breaks off behind these events."""
    told = [f"id: {seq}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n" for seq, event in frames]
    return Answer(raw="".join(["retry: 10\n\n", ":\n\n", *told, "id: 9"]).encode())


def test_events_may_be_followed_also_when_the_line_breaks(terminal: Run, api: Api) -> None:
    first, second = stream_of((7, event(1)), (8, event(2))), stream_of((9, event(3, reason=None)))
    api.on("GET /v1/events", first, second, problem(503, "draining", "the daemon is shutting down"))

    said = terminal("events", "-f", "--type", "session.connected")

    assert said.code == 1
    assert said.out.splitlines() == ["2026-11-22 07:22:04  session.connected  user_1  -"] * 3
    assert [each.headers.get("Last-Event-ID") for each in api.asked] == [None, "8", "9"]
    assert {each.headers["Accept"] for each in api.asked} == {"text/event-stream"}
    assert api.asked[0].query == {"type": "session.connected"}


def test_events_followed_from_a_position_are_json_when_piped(pipe: Run, api: Api) -> None:
    api.on(f"GET {PATH}/events", stream_of((8, event(2))), problem(503, "draining", "the daemon is shutting down"))

    said = pipe("events", "user_1", "-f", "--after", "7")

    assert json.loads(said.out) == event(2)
    assert api.asked[0].query == {"after": "7"}


def test_a_daemon_that_stays_away_ends_the_following(home: Path) -> None:
    with serving(Api(), home / "run" / "manager.sock") as api:
        api.on("GET /v1/events", stream_of((1, event(1))))
        client = Client(SocketDaemon(home / "run" / "manager.sock"))
        follower = Follower(client, "/v1/events", {}, patience_s=0.05)
        events = follower.follow()
        first = next(events)

    with pytest.raises(NotReachableError):
        next(events)

    assert (first, follower.position) == (event(1), "1")


def test_no_daemon_cannot_be_followed(pipe: Run) -> None:
    assert pipe("events", "-f").code == 5


def test_openapi_is_printed(pipe: Run, terminal: Run, api: Api) -> None:
    api.on("GET /openapi.json", Answer(body={"openapi": "3.1.0"}))

    assert pipe("openapi").document == {"openapi": "3.1.0"}
    assert terminal("openapi").out == '{\n  "openapi": "3.1.0"\n}\n'
