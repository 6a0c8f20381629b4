"""`why`, against an API on a real socket."""

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api

PATH = "/v1/sessions/user_1"


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
