"""`events`, against an API on a real socket."""

import json
from pathlib import Path

import pytest

from openwa_manager.cli.client import Client
from openwa_manager.cli.discovery import SocketDaemon
from openwa_manager.cli.errors import NotReachableError
from openwa_manager.cli.following import Follower
from openwa_manager.domain.delivery.events import Json
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api, problem, serving

PATH = "/v1/sessions/user_1"


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

    said = terminal("events", "user_1", "-o", "wide")

    assert said.out.splitlines() == [
        "TIME UTC             EVENT              SESSION  FACTS",
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
    assert said.out.splitlines() == ["2026-11-22 07:22:04 UTC  session.connected  user_1  -"] * 3
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
