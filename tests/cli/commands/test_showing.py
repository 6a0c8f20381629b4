"""`show` and `why` of several sessions, as commands that change sessions take them."""

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.commands.samples import session
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api, problem

TIMELINE: dict[str, Json] = {
    "status": "failed",
    "reason": None,
    "messages": {"waiting": 0, "hold": None, "detail": None, "until": None},
    "steps": [],
    "coming": [],
}


@pytest.fixture(autouse=True)
def sessions(api: Api) -> None:
    """Have three sessions, two of them failed."""
    known = [
        session(session_id="user_1_a", status="failed"),
        session(session_id="user_1_b"),
        session(session_id="user_2_a", status="failed"),
    ]
    api.on("GET /v1/sessions", Answer(body={"sessions": list(known), "next_cursor": None}))
    for each in known:
        path = f"/v1/sessions/{each['session_id']}"
        api.on(f"GET {path}", Answer(body=each))
        api.on(f"GET {path}/why", Answer(body={"session_id": each["session_id"], **TIMELINE}))


@pytest.mark.parametrize("command", ["show", "why"])
def test_one_that_is_named_is_a_document_of_its_own(pipe: Run, command: str) -> None:
    assert pipe(command, "user_1_a").document["session_id"] == "user_1_a"  # type: ignore[index,call-overload]
    assert pipe(command, "user_1…a").document["session_id"] == "user_1_a"  # type: ignore[index,call-overload]


@pytest.mark.parametrize("command", ["show", "why"])
@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["user_1_b", "user_2_a"], ["user_1_b", "user_2_a"]),
        (["user_1_*"], ["user_1_a", "user_1_b"]),
        (["user_2_*"], ["user_2_a"]),
        (["--status", "failed"], ["user_1_a", "user_2_a"]),
    ],
)
def test_several_and_patterns_are_a_list(pipe: Run, command: str, words: list[str], ids: list[str]) -> None:
    document = pipe(command, *words).document

    assert [each["session_id"] for each in document["sessions"]] == ids  # type: ignore[index,call-overload,union-attr]
    assert pipe(command, *words, "-o", "ids").out.split() == ids


def test_on_a_terminal_each_has_its_id_above(terminal: Run) -> None:
    shown, told = terminal("show", "user_1_*"), terminal("why", "user_1_*")

    assert [line.split()[1] for line in shown.out.splitlines() if line.startswith("session_id")] == [
        "user_1_a",
        "user_1_b",
    ]
    assert told.out.split("\n\n")[1].startswith("user_1_b\n")
    assert not terminal("why", "user_1_a").out.startswith("user_1_a")


def test_one_that_is_not_there_keeps_none_of_the_others_from_being_shown(pipe: Run, terminal: Run, api: Api) -> None:
    api.on("GET /v1/sessions/user_9_x", problem(404, "not_found", "there is no such session"))

    said = pipe("show", "user_1_a", "user_9_x")

    assert said.code == 3
    assert [each["session_id"] for each in said.document["sessions"]] == ["user_1_a"]  # type: ignore[index,call-overload,union-attr]
    assert "user_9_x: there is no such session" in said.err
    assert terminal("show", "user_1_a", "user_9_x").out.count("session_id") == 1


@pytest.mark.parametrize("command", ["show", "why"])
def test_none_that_is_named_is_a_mistake(pipe: Run, command: str) -> None:
    assert pipe(command).code == 2


def test_a_list_of_several_statuses_asks_for_each(pipe: Run, terminal: Run, api: Api) -> None:
    pipe("list", "--status", "failed", "--status", "banned")

    assert [value for name, value in api.asked[-1].pairs if name == "status"] == ["failed", "banned"]
    api.on("GET /v1/sessions", Answer(body={"sessions": [], "next_cursor": None}))
    assert terminal("list", "--status", "failed", "--status", "banned").out == "no session is failed or banned\n"
