"""The command that sends one message, against an API on a real socket."""

from collections.abc import Callable

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.commands.messaging.conftest import Watch
from tests.cli.commands.messaging.samples import MESSAGE_ID, SESSION, failed, message
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api, problem

SEND = f"POST /v1/sessions/{SESSION}/messages"
SHOW = f"GET /v1/messages/{MESSAGE_ID}"
TO = "+85212345678"


def test_a_text_is_handed_over(pipe: Run, api: Api) -> None:
    api.on(SEND, Answer(status=202, body=message()))

    said = pipe("send", SESSION, TO, "Hello, 世界")

    assert (said.code, said.document) == (0, message())
    assert api.asked[0].body == {"to": TO, "text": "Hello, 世界"}
    assert "Idempotency-Key" not in api.asked[0].headers


def test_everything_about_it_can_be_said(pipe: Run, api: Api) -> None:
    api.on(SEND, Answer(status=202, body=message()))

    pipe(
        *(
            "send",
            SESSION,
            TO,
            "--document",
            "https://x.example/a.pdf",
            "--caption",
            "Your bill",
            "--filename",
            "a.pdf",
        ),
        *("--fallback-text", "Your bill: https://x.example", "--reference", "bill-7", "--priority", "low"),
        *("--send-after", "2026-11-22T07:00:00Z", "--expires-at", "2026-11-23T07:00:00Z"),
        *("--idempotency-key", "bill-7"),
    )

    assert api.asked[0].headers["Idempotency-Key"] == "bill-7"
    assert api.asked[0].body == {
        "to": TO,
        "document_url": "https://x.example/a.pdf",
        "caption": "Your bill",
        "filename": "a.pdf",
        "fallback_text": "Your bill: https://x.example",
        "reference": "bill-7",
        "priority": "low",
        "send_after": "2026-11-22T07:00:00Z",
        "expires_at": "2026-11-23T07:00:00Z",
    }


@pytest.mark.parametrize("kind", ["image", "video", "audio", "document"])
def test_a_file_needs_no_caption(pipe: Run, api: Api, kind: str) -> None:
    api.on(SEND, Answer(status=202, body=message(kind=kind)))

    pipe("send", SESSION, TO, f"--{kind}", "https://x.example/f")

    assert api.asked[0].body == {"to": TO, f"{kind}_url": "https://x.example/f"}


@pytest.mark.parametrize(
    ("words", "field"), [(("-",), "text"), (("--image", "https://x.example/f", "--caption", "-"), "caption")]
)
def test_what_is_said_may_come_from_stdin(
    pipe: Run, api: Api, typed: Callable[[str], None], words: tuple[str, ...], field: str
) -> None:
    api.on(SEND, Answer(status=202, body=message()))
    typed("first line\nsecond line\n")

    pipe("send", SESSION, TO, *words)

    body = api.asked[0].body
    assert isinstance(body, dict)
    assert body[field] == "first line\nsecond line"


@pytest.mark.parametrize(("raw", "words"), [(b"\xff\xfe\x80", "is no text"), (b"x" * 20_000, "is longer than")])
def test_what_stdin_has_must_be_a_text(
    pipe: Run, api: Api, typed: Callable[[bytes], None], raw: bytes, words: str
) -> None:
    typed(raw)

    said = pipe("send", SESSION, TO, "-")

    assert (said.code, api.asked) == (2, [])
    assert words in said.err


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("Hello", "--caption", "x"),
        ("Hello", "--filename", "x"),
        ("Hello", "--image", "https://x.example/f"),
        ("Hello", "--idempotency-key", "a\nb"),
        ("Hello", "--idempotency-key", " "),
    ],
)
def test_words_that_do_not_fit_together_send_nothing(pipe: Run, api: Api, words: tuple[str, ...]) -> None:
    said = pipe("send", SESSION, TO, *words)

    assert (said.code, said.out, api.asked) == (2, "", [])
    assert said.err.startswith("openwa-manager: ")


@pytest.mark.parametrize(
    "words", ["--wait soon Hello", "Hello --wait -1", "Hello --wait nan", "--image a --video b", "x --priority high"]
)
def test_wrong_usage_exits_with_2(pipe: Run, words: str) -> None:
    with pytest.raises(SystemExit) as left:
        pipe("send", SESSION, TO, *words.split())

    assert left.value.code == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"position": 3, "estimated_at": "2026-11-22T07:22:09.000Z"},
            ", number 3 in line, expected 2026-11-22 07:22:09 UTC",
        ),
        (
            {"hold": {"code": "quiet_hours", "detail": "until the window opens", "until": "2026-11-23T01:00:00.000Z"}},
            " (quiet_hours until 2026-11-23 01:00:00 UTC: until the window opens)",
        ),
        ({"hold": {"code": "not_connected", "detail": "", "until": None}}, " (not_connected)"),
    ],
)
def test_on_a_terminal_a_line_says_what_it_waits_for(
    terminal: Run, api: Api, changes: dict[str, Json], words: str
) -> None:
    api.on(SEND, Answer(status=202, body=message(**changes)))

    assert terminal("send", SESSION, TO, "Hello").out == f"{MESSAGE_ID} to +85212345678: queued{words}\n"


def test_waiting_ends_when_it_was_sent(pipe: Run, api: Api) -> None:
    api.on(SEND, Answer(status=202, body=message()))
    api.on(SHOW, Answer(body=message(status="sending")), Answer(body=message(status="sent")))

    said = pipe("send", SESSION, TO, "Hello", "--wait")

    assert (said.code, said.document) == (0, message(status="sent"))
    assert [each.method for each in api.asked] == ["POST", "GET", "GET"]


@pytest.mark.parametrize("status", ["failed", "bounced", "expired", "unknown", "cancelled"])
def test_waiting_for_one_that_was_not_sent_exits_with_1(pipe: Run, terminal: Run, api: Api, status: str) -> None:
    api.on(SEND, Answer(status=202, body=message()))
    api.on(SHOW, Answer(body={**failed(), "status": status}))
    sentence = f"{MESSAGE_ID} to +85212345678: {status} (engine_refused: no such chat)"

    piped, shown = pipe("send", SESSION, TO, "Hello", "--wait", "5"), terminal("send", SESSION, TO, "Hello", "--wait")

    assert (piped.code, piped.err) == (1, f"openwa-manager: {sentence}\n")
    assert (shown.code, shown.out, shown.err) == (1, f"{sentence}\n", "")


def test_waiting_gives_up_in_time(pipe: Run, api: Api) -> None:
    api.on(SEND, Answer(status=202, body=message()))
    api.on(SHOW, Answer(body=message(hold={"code": "not_connected", "detail": "", "until": None})))

    said = pipe("send", SESSION, TO, "Hello", "--wait", "0")

    assert (said.code, len(api.asked)) == (1, 2)
    assert "queued (not_connected)" in said.err


def test_on_a_terminal_a_line_shows_how_far_it_is_and_goes(api: Api, watched: Watch) -> None:
    api.on(SEND, Answer(status=202, body=message()))
    api.on(SHOW, Answer(body=message(position=2)), Answer(body=message(status="sent")))

    _, drawn = watched("send", SESSION, TO, "Hello", "--wait")

    assert drawn == f"\r{MESSAGE_ID} to +85212345678: queued, number 2 in line"[:80] + "\x1b[K\r\x1b[K"


def test_a_daemon_that_goes_while_somebody_waits_may_come_back(api: Api, watched: Watch) -> None:
    api.on(SEND, Answer(status=202, body=message()))
    api.on(SHOW, Answer(status=302, raw=b""), Answer(body=message(status="sent")))

    said, drawn = watched("send", SESSION, TO, "Hello", "--wait")

    assert said.code == 0
    assert "trying again" in drawn


def test_a_daemon_that_does_not_come_back_in_time_exits_with_5(pipe: Run, api: Api) -> None:
    api.on(SEND, Answer(status=202, body=message()))
    api.on(SHOW, Answer(status=302, raw=b""))

    assert pipe("send", SESSION, TO, "Hello", "--wait", "0").code == 5


def test_a_refusal_says_why(pipe: Run, api: Api) -> None:
    api.on(SEND, problem(422, "opted_out", "+85212345678 does not want to be written to"))

    said = pipe("send", SESSION, TO, "Hello")

    assert (said.code, said.out) == (1, "")
    assert said.err == "openwa-manager: +85212345678 does not want to be written to (opted_out)\n"


@pytest.mark.parametrize("session_id", ["user_2", "..", "A"])
def test_an_unknown_session_exits_with_3(pipe: Run, api: Api, session_id: str) -> None:
    del api

    assert pipe("send", session_id, TO, "Hello").code == 3
