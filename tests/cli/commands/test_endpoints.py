"""The commands about endpoints and deliveries, against an API on a real socket."""

import io
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api, problem

PATH = "/v1/endpoints"


def endpoint(**changes: Json) -> dict[str, Json]:
    """Return an endpoint as the API answers it."""
    whole: dict[str, Json] = {
        "endpoint_id": "ep_1",
        "url": "https://example.com/hook",
        "events": ["session.*", "message.*"],
        "sessions": ["*"],
        "active": True,
        "status": "ok",
        "disabled_reason": None,
        "last_status": 200,
        "last_error": None,
        "down_since": None,
        "next_probe_at": None,
        "pending_count": 3,
        "rotated_at": None,
        "created_at": "2026-11-22T07:22:04.165Z",
        "updated_at": "2026-11-22T07:22:04.165Z",
    }
    return whole | changes


@pytest.mark.parametrize("words", [("endpoints",), ("endpoints", "list")])
def test_endpoints_are_a_table_on_a_terminal(terminal: Run, api: Api, words: tuple[str, ...]) -> None:
    gone = endpoint(endpoint_id="default", status="disabled", disabled_reason="gone", pending_count=0)
    api.on(f"GET {PATH}", Answer(body={"endpoints": [endpoint(), gone]}))

    said = terminal(*words, "-o", "wide")

    assert said.out.splitlines() == [
        "ENDPOINT  STATUS           WAITING  EVENTS                SESSIONS  URL",
        "ep_1      ok                     3  session.*, message.*  *         https://example.com/hook",
        "default   disabled (gone)        0  session.*, message.*  *         https://example.com/hook",
    ]


def test_what_went_wrong_last_stands_below_the_table(terminal: Run, api: Api) -> None:
    down = endpoint(
        status="down",
        last_error="no connection to x\x1b[2J: Connection refused",
        down_since="2026-11-22T07:22:04.165Z",
        next_probe_at="2026-11-22T07:23:04.165Z",
    )
    waiting = endpoint(status="throttled", last_error="it answered 429", next_probe_at="2026-11-22T07:24:00.000Z")
    api.on(f"GET {PATH}", Answer(body={"endpoints": [endpoint(), down, waiting]}))

    said = terminal("endpoints")

    refused = "no connection to x\N{REPLACEMENT CHARACTER}[2J: Connection refused"
    assert said.out.splitlines()[4:] == [
        f"ep_1: {refused}, down since 2026-11-22 07:22:04 UTC, next try 2026-11-22 07:23:04 UTC",
        "ep_1: it answered 429, next try 2026-11-22 07:24:00 UTC",
    ]


def test_one_endpoint_is_shown_with_all_that_is_known(terminal: Run, api: Api) -> None:
    api.on(f"GET {PATH}/ep_1", Answer(body=endpoint(status="down", last_error="timeout")))

    shown = dict(line.split(maxsplit=1) for line in terminal("endpoints", "show", "ep_1").out.splitlines())

    assert (shown["status"], shown["last_error"], shown["last_status"]) == ("down", "timeout", "200")


def test_no_endpoints_are_said_to_be_none(terminal: Run, api: Api) -> None:
    api.on(f"GET {PATH}", Answer(body={"endpoints": []}))

    assert terminal("endpoints").out.startswith("no endpoints")


def test_an_endpoint_is_added_with_filters_and_a_secret_that_stays_out_of_the_command_line(
    terminal: Run, api: Api, tmp_path: Path
) -> None:
    api.on(f"POST {PATH}", Answer(status=201, body={**endpoint(), "secret": "whsec_x"}))
    file = tmp_path / "secret"
    file.write_text("a secret\n")

    said = terminal(
        *("endpoints", "add", "https://example.com/hook", "--event", "session.*", "--event", "call.*"),
        *("--session", "shop_*", "--secret-file", str(file)),
    )

    assert api.asked[0].body == {
        "url": "https://example.com/hook",
        "events": ["session.*", "call.*"],
        "sessions": ["shop_*"],
        "secret": "a secret",
    }
    assert said.out.splitlines()[-1].split() == ["secret", "whsec_x"]


@pytest.mark.parametrize(
    ("words", "line", "body"),
    [
        (("change", "ep_1", "--to", "https://b.example"), f"PATCH {PATH}/ep_1", {"url": "https://b.example"}),
        (("change", "ep_1", "--session", "a"), f"PATCH {PATH}/ep_1", {"sessions": ["a"]}),
        (("pause", "default"), f"PATCH {PATH}/default", {"active": False}),
        (("resume", "ep_1"), f"POST {PATH}/ep_1/resume", None),
        (("rotate", "ep_1"), f"POST {PATH}/ep_1/rotate-secret", {}),
        (("remove", "ep_1"), f"DELETE {PATH}/ep_1", None),
        (("remove", "../keys"), f"DELETE {PATH}/..%2Fkeys", None),
    ],
)
def test_every_verb_asks_for_one_thing(pipe: Run, api: Api, words: tuple[str, ...], line: str, body: Json) -> None:
    api.on(line, Answer(body=endpoint()))

    said = pipe("endpoints", *words)

    assert (said.code, api.asked[0].body) == (0, body)
    shown = {"endpoint_id": words[1], "removed": True} if words[0] == "remove" else endpoint()
    assert said.document == shown


def test_a_secret_may_come_from_stdin(pipe: Run, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.on(f"POST {PATH}/ep_1/rotate-secret", Answer(body=endpoint()))
    monkeypatch.setattr("sys.stdin", io.StringIO("piped\n"))

    pipe("endpoints", "rotate", "ep_1", "--secret-file", "-")

    assert api.asked[0].body == {"secret": "piped"}


def test_a_secret_that_cannot_be_read_fails(pipe: Run, api: Api, tmp_path: Path) -> None:
    said = pipe("endpoints", "rotate", "ep_1", "--secret-file", str(tmp_path / "none"))

    assert (said.code, api.asked) == (1, [])
    assert "cannot be read" in said.err


@pytest.mark.parametrize(
    ("trial", "code", "words"),
    [
        ({"delivered": True, "status": 200, "error": None}, 0, "it took the test event (12.5 ms)"),
        (
            {"delivered": False, "status": 500, "error": "HTTP 500"},
            1,
            "it did not take the test event: HTTP 500 (12.5 ms)",
        ),
    ],
)
def test_a_test_exits_with_what_came_of_it(
    terminal: Run, api: Api, trial: dict[str, Json], code: int, words: str
) -> None:
    api.on(f"POST {PATH}/ep_1/test", Answer(body={**trial, "elapsed_ms": 12.5, "event_id": "evt_1"}))

    said = terminal("endpoints", "test", "ep_1")

    assert (said.code, said.out) == (code, f"{words}\n")


def test_an_unknown_endpoint_exits_with_3(pipe: Run, api: Api) -> None:
    api.on(f"POST {PATH}/ep_0/resume", problem(404, "not_found", "there is no such endpoint"))

    assert pipe("endpoints", "resume", "ep_0").code == 3


def delivery(**changes: Json) -> dict[str, Json]:
    """Return a delivery as the API answers it."""
    whole: dict[str, Json] = {
        "event_id": "evt_1",
        "event_type": "session.connected",
        "session_id": "user_1",
        "endpoint_id": "default",
        "state": "pending",
        "attempts": 2,
        "occurred_at": "2026-11-22T07:22:04.165Z",
        "last_tried_at": "2026-11-22T07:22:04.165Z",
        "last_status": 503,
        "last_error": "HTTP 503",
        "next_at": "2026-11-22T07:22:14.165Z",
        "settled_at": None,
    }
    return whole | changes


def test_deliveries_are_a_table_on_a_terminal(terminal: Run, api: Api) -> None:
    done = delivery(state="delivered", session_id=None, last_status=200, last_error=None, next_at=None)
    api.on("GET /v1/deliveries", Answer(body={"deliveries": [delivery(), done], "next_cursor": "7.default"}))

    said = terminal("deliveries", "--session", "user_1", "--limit", "2", "-o", "wide")

    heads = [
        "TIME",
        "UTC",
        "EVENT",
        "SESSION",
        "ENDPOINT",
        "STATE",
        "TRIES",
        "LAST",
        "ANSWER",
        "NEXT",
        "TRY",
        "UTC",
        "EVENT",
        "ID",
    ]
    lines = said.out.splitlines()
    assert lines[0].split() == heads
    assert lines[1].split()[3:] == [
        "user_1",
        "default",
        "pending",
        "2",
        "HTTP",
        "503",
        "2026-11-22",
        "07:22:14",
        "evt_1",
    ]
    assert lines[2].split()[3:] == ["-", "default", "delivered", "2", "200", "-", "evt_1"]
    assert lines[3] == "there are more: --limit N"
    assert api.asked[0].query == {"session_id": "user_1", "limit": "2"}


def test_dead_letters_are_json_when_piped(pipe: Run, api: Api) -> None:
    page: Json = {"deliveries": [delivery(state="dead")], "next_cursor": None}
    api.on("GET /v1/deliveries", Answer(body=page))

    said = pipe("deliveries", "list", "--dead", "--endpoint", "ep_1")

    assert said.document == page
    assert api.asked[0].query == {"state": "dead", "endpoint_id": "ep_1", "limit": "100"}


def test_deliveries_are_made_once_more(terminal: Run, api: Api) -> None:
    api.on("POST /v1/deliveries/replay", Answer(status=202, body={"count": 2}))

    said = terminal(
        "deliveries", "replay", "--id", "evt_1", "--id", "evt_2", "--since", "2026-11-22T07:00:00Z", "--dead"
    )

    assert said.out == "2 deliveries are made once more\n"
    assert api.asked[0].body == {"ids": ["evt_1", "evt_2"], "since": "2026-11-22T07:00:00Z", "state": "dead"}


def test_deliveries_are_counted_before_they_are_made_once_more(terminal: Run, api: Api) -> None:
    api.on("POST /v1/deliveries/replay", Answer(status=200, body={"count": 2}))

    said = terminal("deliveries", "replay", "--dead", "--dry-run")

    assert said.out == "2 deliveries would be made once more\n"
    assert api.asked[0].body == {"state": "dead", "dry_run": True}
