"""The command about messages, against an API on a real socket."""

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.commands.messaging.samples import AT, MESSAGE_ID, SESSION, failed, message
from tests.cli.commands.samples import session
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api, problem

LIST = f"GET /v1/sessions/{SESSION}/messages"
PATH = f"/v1/messages/{MESSAGE_ID}"


def page(*messages: Json, cursor: str | None = None) -> Answer:
    return Answer(body={"messages": list(messages), "next_cursor": cursor})


@pytest.mark.parametrize("words", [(SESSION,), ("list", SESSION)])
def test_messages_of_a_session_are_listed(pipe: Run, api: Api, words: tuple[str, ...]) -> None:
    api.on(LIST, page(message()))

    assert pipe("messages", *words).document == {"messages": [message()], "has_more": False}
    assert api.asked[0].query == {"limit": "100"}


def test_messages_are_a_table_on_a_terminal(terminal: Run, api: Api) -> None:
    held = message(reference="bill-7", hold={"code": "retrying", "detail": "", "until": AT})
    api.on(LIST, page(held, failed(to="a\x1b[2J"), cursor="7"))

    said = terminal("messages", SESSION, "--limit", "2", "-o", "wide")

    head, first, second, more = said.out.splitlines()
    assert head.split() == [
        *("CREATED", "UTC", "MESSAGE", "SESSION", "TO", "STATUS", "SENT", "UTC", "WHY", "REFERENCE")
    ]
    assert first.split("  ")[:2] == ["2026-11-22 07:22:04", MESSAGE_ID]
    assert "queued  -         retrying until 2026-11-22 07:22:04 UTC" in first
    assert first.endswith("  bill-7")
    assert "a�[2J         failed  -         engine_refused: no such chat" in second
    assert more == "there are more: --limit N"


def test_no_messages_are_said_to_be_none(terminal: Run, api: Api) -> None:
    api.on(LIST, page())

    assert terminal("messages", SESSION).out == "no messages\n"


def test_filters_are_handed_on(pipe: Run, api: Api) -> None:
    api.on(LIST, page())

    pipe(
        *("messages", SESSION, "--status", "failed", "--status", "bounced", "--to", "+85212345678"),
        *("--batch", "batch_1", "--reference", "bill 7"),
    )

    assert [*api.asked[0].pairs] == [
        ("status", "failed"),
        ("status", "bounced"),
        ("to", "+85212345678"),
        ("batch_id", "batch_1"),
        ("reference", "bill 7"),
        ("limit", "100"),
    ]


def test_a_long_list_is_gathered_page_by_page(pipe: Run, api: Api) -> None:
    first: list[Json] = [message(position=index) for index in range(1000)]
    api.on(LIST, page(*first, cursor="500"), page(*first[:500], cursor="1"))

    document = pipe("messages", SESSION, "--limit", "1500").document

    assert document == {"messages": first + first[:500], "has_more": True}
    assert [each.query for each in api.asked] == [{"limit": "1000"}, {"limit": "500", "cursor": "500"}]


def test_without_a_session_the_newest_of_all_are_listed(pipe: Run, terminal: Run, api: Api) -> None:
    older, newer, newest = (message(session_id="b", created_at=f"2026-11-22T0{hour}:00:00.000Z") for hour in (1, 2, 3))
    api.on("GET /v1/sessions", Answer(body={"sessions": [session(), session(session_id="b")], "next_cursor": None}))
    api.on(LIST, page(newer))
    api.on("GET /v1/sessions/b/messages", page(newest, older))

    assert pipe("messages", "--limit", "2").document == {"messages": [newest, newer], "has_more": True}
    assert terminal("messages").out.splitlines()[0].split()[2:4] == ["MESSAGE", "SESSION"]


def test_one_is_shown_with_every_attempt(pipe: Run, terminal: Run, api: Api) -> None:
    attempt: Json = {"at": AT, "outcome": "try_again", "http_status": 503, "code": None, "next_at": AT}
    whole = message(attempts=[attempt], hold={"code": "retrying", "detail": "the engine is busy", "until": None})
    api.on(f"GET {PATH}", Answer(body=whole))

    assert pipe("messages", "show", MESSAGE_ID).document == whole
    lines = terminal("messages", "show", MESSAGE_ID).out.splitlines()
    assert "hold                 retrying: the engine is busy" in lines
    assert lines[-2:] == [
        "ASKED AT                 OUTCOME    HTTP  CODE  AGAIN AT",
        "2026-11-22 07:22:04 UTC  try_again  503   -     2026-11-22 07:22:04 UTC",
    ]


def test_one_without_attempts_is_shown_without(terminal: Run, api: Api) -> None:
    api.on(f"GET {PATH}", Answer(body=message()))

    assert "ASKED AT" not in terminal("messages", "show", MESSAGE_ID).out


@pytest.mark.parametrize(
    ("words", "line", "body"),
    [
        (("cancel", MESSAGE_ID), f"DELETE {PATH}", None),
        (("resend", MESSAGE_ID), f"POST {PATH}/resend", None),
        (("settle", MESSAGE_ID, "--as", "sent"), f"POST {PATH}/settle", {"as": "sent"}),
        (("settle", "--as", "failed", MESSAGE_ID), f"POST {PATH}/settle", {"as": "failed"}),
    ],
)
def test_every_verb_asks_for_one_thing(
    pipe: Run, terminal: Run, api: Api, words: tuple[str, ...], line: str, body: Json
) -> None:
    api.on(line, Answer(body=message(status="cancelled")))

    said = pipe("messages", *words)

    assert (said.code, said.document) == (0, message(status="cancelled"))
    assert [each.body for each in api.asked] == [body]
    assert terminal("messages", *words).out == f"{MESSAGE_ID} to +85212345678: cancelled\n"


def test_what_cannot_be_done_exits_with_1(pipe: Run, api: Api) -> None:
    api.on(f"DELETE {PATH}", problem(409, "illegal_transition", "it is being sent"))

    said = pipe("messages", "cancel", MESSAGE_ID)

    assert (said.code, said.err) == (1, "openwa-manager: it is being sent (illegal_transition)\n")


@pytest.mark.parametrize("words", [("show", "msg_0"), ("show", ".."), ("show", ""), ("..",), ("list", "A")])
def test_what_is_not_there_exits_with_3(pipe: Run, api: Api, words: tuple[str, ...]) -> None:
    assert pipe("messages", *words).code == 3
    assert [each.path for each in api.asked] in ([], ["/v1/messages/msg_0"])


@pytest.mark.parametrize(
    "words",
    [("--status", "failed", SESSION), ("list", "--status", "failed", SESSION), (SESSION, "--status", "failed")],
)
def test_options_may_stand_anywhere(pipe: Run, api: Api, words: tuple[str, ...]) -> None:
    api.on(LIST, page())

    assert pipe("messages", *words).code == 0
    assert api.asked[0].query["status"] == "failed"


@pytest.mark.parametrize(
    "words",
    [
        *("show", "cancel a b", "a b", "settle msg_1", "cancel msg_1 --as sent", "list --as sent", "show msg_1 --to x"),
        *("--status lost", "--limit 0", "--limit many", "settle x --as read"),
    ],
)
def test_wrong_usage_exits_with_2(pipe: Run, words: str) -> None:
    with pytest.raises(SystemExit) as left:
        pipe("messages", *words.split())

    assert left.value.code == 2


@pytest.mark.parametrize(
    ("word", "code"), [("msg_01KB0…000000001", 0), ("msg_01KB0…0", 3), ("msg_01KB0…", 2), ("msg_02…1", 3)]
)
def test_an_id_as_tables_shorten_it_is_understood(pipe: Run, api: Api, word: str, code: int) -> None:
    other = message(message_id="msg_01KB0000000000000000000002")
    api.on("GET /v1/sessions", Answer(body={"sessions": [session(session_id=SESSION)], "next_cursor": None}))
    api.on(LIST, page(message(), other))
    api.on(f"GET {PATH}", Answer(body=message()))

    said = pipe("messages", "show", word)

    assert said.code == code, said.err
    assert (f"GET {PATH}" in [f"{each.method} {each.path}" for each in api.asked]) is (code == 0)
