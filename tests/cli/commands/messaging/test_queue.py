"""The command about queues, against an API on a real socket."""

from collections.abc import Callable

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.commands.messaging.samples import SESSION, queue
from tests.cli.commands.samples import session
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api, problem

PATH = f"/v1/sessions/{SESSION}/queue"
CHANGED = problem(409, "count_changed", "1,233 messages wait")


def test_a_queue_is_shown(pipe: Run, terminal: Run, api: Api) -> None:
    api.on(f"GET {PATH}", Answer(body=queue(hold={"code": "queue_paused", "detail": "by a person", "until": None})))

    assert isinstance(pipe("queue", SESSION).document, dict)
    lines = terminal("queue", SESSION).out.splitlines()

    assert "hold                  queue_paused: by a person" in lines
    assert "by_hold               1,200 in turn, 34 send_after" in lines
    assert "gap                   1.2 to 1.8 s, over at 2026-11-22 07:22:04 UTC" in lines
    assert "failure_rate          1%" in lines
    assert "first_contacts_left   no limit" in lines


def test_all_queues_are_a_table(pipe: Run, terminal: Run, api: Api) -> None:
    other = queue(session_id="b", length=0, failure_rate=None, estimated_at=None, state="paused")
    api.on("GET /v1/sessions", Answer(body={"sessions": [session(), session(session_id="b")], "next_cursor": None}))
    api.on(f"GET {PATH}", Answer(body=queue(hold={"code": "queue_paused", "detail": "", "until": None})))
    api.on("GET /v1/sessions/b/queue", Answer(body=other))

    assert isinstance(pipe("queue").document, dict)
    assert terminal("queue", "-o", "wide").out.splitlines() == [
        "SESSION           QUEUE   PROFILE  WAITING  SENT/H  FAILED  EMPTY AT UTC         HELD",
        "user_1_session_a  active  guide      1,234   1,100  1%      2026-11-22 08:22:04  queue_paused",
        "b                 paused  guide          0   1,100  -       -                    -",
    ]


def test_without_sessions_there_are_no_queues(terminal: Run, api: Api) -> None:
    api.on("GET /v1/sessions", Answer(body={"sessions": [], "next_cursor": None}))

    assert terminal("queue").out == "no sessions\n"


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("--pause",), {"state": "paused"}),
        (("--resume",), {"state": "active"}),
        (("--profile", "careful"), {"profile": "careful"}),
        (("--resume", "--profile", "guide"), {"state": "active", "profile": "guide"}),
    ],
)
def test_a_queue_is_changed(pipe: Run, api: Api, words: tuple[str, ...], body: Json) -> None:
    api.on(f"PATCH {PATH}", Answer(body=queue()))

    assert pipe("queue", SESSION, *words).document == queue()
    assert [each.body for each in api.asked] == [body]


def test_a_change_of_a_queue_is_a_line_on_a_terminal(terminal: Run, api: Api) -> None:
    api.on(f"PATCH {PATH}", Answer(body=queue(state="paused")))

    assert terminal("queue", SESSION, "--pause").out == f"{SESSION}: paused, guide, 1,234 waiting\n"


@pytest.mark.parametrize("words", ["--pause", "--clear", "--yes", "a --yes", "a --clear --pause", "a --pause --yes"])
def test_words_that_do_not_fit_together_are_never_ignored(pipe: Run, api: Api, words: str) -> None:
    said = pipe("queue", *words.split())

    assert (said.code, said.out, api.asked) == (2, "", [])


def test_a_person_confirms_that_a_queue_is_emptied(terminal: Run, api: Api, typed: Callable[..., None]) -> None:
    api.on(f"GET {PATH}", Answer(body=queue()))
    api.on(f"DELETE {PATH}", Answer(body=queue(length=0)))

    typed("yes\n", on_terminal=True)
    said = terminal("queue", SESSION, "--clear")

    assert said.err.startswith("Cancel all 1,234 messages of user_1_session_a that wait?")
    assert said.out == "1,234 messages of user_1_session_a that waited are cancelled\n"
    assert api.asked[-1].query == {"confirm": "1234"}


@pytest.mark.parametrize("answer", ["", "y\n", "no\n"])
def test_anything_else_empties_nothing(terminal: Run, api: Api, typed: Callable[..., None], answer: str) -> None:
    api.on(f"GET {PATH}", Answer(body=queue()))

    typed(answer, on_terminal=True)
    said = terminal("queue", SESSION, "--clear")

    assert (said.code, [each.method for each in api.asked]) == (1, ["GET"])


def test_where_nobody_can_be_asked_yes_must_be_said_before(pipe: Run, api: Api, typed: Callable[[str], None]) -> None:
    api.on(f"GET {PATH}", Answer(body=queue()))
    api.on(f"DELETE {PATH}", Answer(body=queue(length=0)))

    typed("yes\n")
    refused, done = pipe("queue", SESSION, "--clear"), pipe("queue", SESSION, "--clear", "--yes")

    assert (refused.code, "--yes" in refused.err) == (2, True)
    assert (done.code, done.document) == (0, {"session_id": SESSION, "cancelled": 1234})


def test_a_queue_that_moves_meanwhile_is_counted_anew(pipe: Run, api: Api) -> None:
    api.on(f"GET {PATH}", Answer(body=queue()), Answer(body=queue(length=1233)))
    api.on(f"DELETE {PATH}", CHANGED, Answer(body=queue(length=0)))

    assert pipe("queue", SESSION, "--clear", "--yes").document == {"session_id": SESSION, "cancelled": 1233}


def test_one_that_never_rests_is_given_up(pipe: Run, api: Api) -> None:
    api.on(f"GET {PATH}", Answer(body=queue()))
    api.on(f"DELETE {PATH}", CHANGED)

    said = pipe("queue", SESSION, "--clear", "--yes")

    assert (said.code, len(api.asked), "(count_changed)" in said.err) == (1, 10, True)


def test_what_a_person_confirmed_is_not_done_to_another_count(
    terminal: Run, api: Api, typed: Callable[..., None]
) -> None:
    api.on(f"GET {PATH}", Answer(body=queue()))
    api.on(f"DELETE {PATH}", CHANGED)

    typed("yes\n", on_terminal=True)

    assert terminal("queue", SESSION, "--clear").code == 1
    assert len(api.asked) == 2


def test_an_unknown_session_exits_with_3(pipe: Run, api: Api) -> None:
    assert (pipe("queue", "user_2").code, pipe("queue", "..").code) == (3, 3)
    assert [each.path for each in api.asked if "queue" in each.path] == ["/v1/sessions/user_2/queue"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pause", SESSION], f"did you mean: openwa-manager queue {SESSION} --pause"),
        ([SESSION, "clear"], f"did you mean: openwa-manager queue {SESSION} --clear"),
        ([SESSION, "x"], "'x' is one word too many"),
    ],
)
def test_a_verb_is_an_option_here(pipe: Run, api: Api, words: list[str], said: str) -> None:
    refused = pipe("queue", *words)

    assert (refused.code, refused.err, api.asked) == (2, f"openwa-manager: {said}\n", [])
