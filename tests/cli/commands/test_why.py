"""`why`, against an API on a real socket."""

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api

PATH = "/v1/sessions/user_1"


def crashed(at: str, log_tail: str) -> Json:
    return {
        "at": at,
        "stimulus": "process ended",
        "decision": "restart in 1.0 s",
        "evidence": {"signal": 9, "exit_code": None, "log_tail": log_tail},
    }


TIMELINE: dict[str, Json] = {
    "session_id": "user_1",
    "status": "restarting",
    "reason": {"code": "engine_exited", "detail": "killed by signal 9", "at": "2026-11-22T07:22:04.165Z"},
    "messages": {"waiting": 0, "hold": None, "detail": None, "until": None},
    "steps": [
        crashed("2026-11-22T07:21:00.000Z", "an earlier one"),
        crashed("2026-11-22T07:22:04.165Z", "out of memory\n\x1b[2Jbye\n"),
    ],
    "next_step": {"decision": "start again", "at": "2026-11-22T07:22:05.165Z"},
    "coming": [
        {"decision": "start again", "at": "2026-11-22T07:22:05.165Z"},
        {"decision": "launch when the start gate has a slot", "at": None},
    ],
}


def test_why_tells_the_story_and_what_comes_next(terminal: Run, api: Api) -> None:
    api.on(f"GET {PATH}/why", Answer(body=TIMELINE))

    said = terminal("why", "user_1", "--limit", "7", "-o", "wide")

    assert said.out.splitlines() == [
        "AT UTC               WHAT HAPPENED  DECISION          EVIDENCE",
        "2026-11-22 07:21:00  process ended  restart in 1.0 s  signal 9",
        "2026-11-22 07:22:04  process ended  restart in 1.0 s  signal 9",
        "its log, before the process ended at 2026-11-22 07:22:04 UTC:",
        "  out of memory",
        "  \N{REPLACEMENT CHARACTER}[2Jbye",
        "now: restarting (killed by signal 9)",
        "next: start again, 2026-11-22 07:22:05 UTC",
        "then: launch when the start gate has a slot, as soon as it can",
    ]
    assert api.asked[0].query == {"limit": "7"}


def test_why_tells_when_the_engine_is_asked_next(terminal: Run, api: Api) -> None:
    api.on(f"GET {PATH}/why", Answer(body={**TIMELINE, "next_probe_at": "2026-11-22T07:22:30.000Z"}))

    assert "next probe: 2026-11-22 07:22:30 UTC" in terminal("why", "user_1").out.splitlines()


def test_why_tells_many_codes_in_one_line_unless_all_are_wanted(terminal: Run, api: Api) -> None:
    def code(second: int, stimulus: str) -> Json:
        return {"at": f"2026-11-22T07:22:{second:02}.000Z", "stimulus": stimulus, "decision": "show", "evidence": {}}

    codes = [code(second, ("code produced", "code expired")[second % 2]) for second in range(7)]
    api.on(f"GET {PATH}/why", Answer(body=TIMELINE | {"steps": codes}))

    short, whole = terminal("why", "user_1").out.splitlines(), terminal("why", "user_1", "-o", "wide").out.splitlines()

    assert "3 codes produced and expired" in short[1]
    assert "code produced" in short[2]
    assert short[3].startswith("now: ")
    assert sum("code" in line for line in whole) == 7


def test_why_says_when_nothing_is_due(terminal: Run, api: Api) -> None:
    rests: dict[str, Json] = {"status": "connected", "reason": None, "steps": [], "coming": []}
    api.on(f"GET {PATH}/why", Answer(body=TIMELINE | rests))

    assert terminal("why", "user_1").out.splitlines() == ["now: connected", "next: nothing by itself"]


@pytest.mark.parametrize(
    ("hold", "line"),
    [
        ({"hold": None, "detail": None, "until": None}, "messages: 3 wait"),
        (
            {"hold": "engine_limited", "detail": "the engine asks for a pause", "until": "2026-11-22T07:23:00.000Z"},
            "messages: 3 wait: the engine asks for a pause, until 2026-11-22 07:23:00 UTC",
        ),
    ],
)
def test_why_says_what_holds_its_messages(terminal: Run, api: Api, hold: dict[str, Json], line: str) -> None:
    api.on(f"GET {PATH}/why", Answer(body=TIMELINE | {"messages": {"waiting": 3, **hold}}))

    assert terminal("why", "user_1").out.splitlines()[-1] == line
