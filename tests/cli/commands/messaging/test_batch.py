"""The command about batches, against an API on a real socket."""

from collections.abc import Callable
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.commands.messaging.conftest import Watch
from tests.cli.commands.messaging.samples import AT, BATCH_ID, SESSION, batch
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api, problem

CREATE = f"POST /v1/sessions/{SESSION}/messages/bulk"
PATH = f"/v1/batches/{BATCH_ID}"
TEMPLATE = ("--template", "Hi {{name}}")


def taken(**changes: Json) -> Answer:
    """Return what is answered to many messages."""
    body: dict[str, Json] = {
        "batch_id": BATCH_ID,
        "accepted": 2,
        "rejected": [],
        "first_contacts": 1,
        "finish_at": AT,
        "quota_left": None,
    }
    return Answer(status=202, body=body | changes)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_bytes("\ufeffto;name;reference\r\n+85212345678;Ann;a\r\n\r\n+85212345679;李;\r\n".encode())
    return path


def test_a_file_becomes_a_batch(pipe: Run, api: Api, file: Path) -> None:
    api.on(CREATE, taken())

    said = pipe("batch", "create", SESSION, str(file), *TEMPLATE)

    assert (said.code, said.document) == (0, taken().body)
    assert api.asked[0].body == {
        "template": {"text": "Hi {{name}}"},
        "recipients": [
            {"to": "+85212345678", "variables": {"name": "Ann"}, "reference": "a"},
            {"to": "+85212345679", "variables": {"name": "李"}},
        ],
    }


def test_everything_about_it_can_be_said(pipe: Run, api: Api, file: Path) -> None:
    api.on(CREATE, taken())

    pipe(
        *("batch", "create", SESSION, str(file), *TEMPLATE, "--image", "https://x.example/a.png"),
        *("--fallback-text", "{{reference}}", "--name", "autumn", "--window", "20:00-09:00"),
        *("--time-zone", "Asia/Hong_Kong", "--days", "1-5,7", "--send-after", AT, "--expires-at", AT),
        *("--idempotency-key", "campaign-1", "--keep-empty"),
    )

    assert api.asked[0].headers["Idempotency-Key"] == "campaign-1"
    assert api.asked[0].body == {
        "template": {
            "image_url": "https://x.example/a.png",
            "caption": "Hi {{name}}",
            "fallback_text": "{{reference}}",
        },
        "recipients": [
            {"to": "+85212345678", "variables": {"name": "Ann", "reference": "a"}, "reference": "a"},
            {"to": "+85212345679", "variables": {"name": "李", "reference": ""}},
        ],
        "name": "autumn",
        "window": {"from": "20:00", "to": "09:00", "time_zone": "Asia/Hong_Kong", "days": [1, 2, 3, 4, 5, 7]},
        "send_after": AT,
        "expires_at": AT,
    }


def test_the_file_or_the_template_may_come_from_stdin(
    pipe: Run, api: Api, file: Path, typed: Callable[[str], None]
) -> None:
    api.on(CREATE, taken())

    typed("Hi all\n")
    pipe("batch", "create", SESSION, str(file), "--template", "-")
    typed("to\n1\n2\n")
    pipe("batch", "create", SESSION, "-", "--template", "Hi all")

    bodies = [each.body for each in api.asked]
    assert [body["template"] for body in bodies if isinstance(body, dict)] == [{"text": "Hi all"}] * 2
    assert isinstance(bodies[1], dict)
    assert bodies[1]["recipients"] == [{"to": "1", "variables": {}}, {"to": "2", "variables": {}}]


def test_who_is_rejected_is_told_by_the_line_of_the_file(pipe: Run, terminal: Run, api: Api, file: Path) -> None:
    rejected: Json = {"index": 1, "code": "invalid_recipient", "detail": "no number"}
    api.on(CREATE, taken(accepted=1, rejected=[rejected], quota_left=48))

    document = pipe("batch", "create", SESSION, str(file), *TEMPLATE).document
    shown = terminal("batch", "create", SESSION, str(file), *TEMPLATE)

    assert isinstance(document, dict)
    assert document["rejected"] == [{"line": 4, "index": 1, "code": "invalid_recipient", "detail": "no number"}]
    assert shown.code == 0
    assert shown.out.splitlines() == [
        f"batch           {BATCH_ID}",
        "accepted        1",
        "rejected        1",
        "first contacts  1",
        "finished at     2026-11-22 07:22:04 UTC",
        "quota left      48",
        "",
        f"{file}:",
        "LINE  REJECTED           WHY",
        "4     invalid_recipient  no number",
    ]


def test_of_many_who_are_rejected_some_are_shown(terminal: Run, api: Api, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("to\n" + "1\n" * 30)
    rejected: list[Json] = [{"index": index, "code": "duplicate", "detail": "twice"} for index in range(1, 30)]
    api.on(CREATE, taken(rejected=rejected))

    said = terminal("batch", "create", SESSION, str(file), "--template", "Hi")

    assert said.out.splitlines()[-1] == "and 9 more: --json shows all"


def test_a_batch_of_which_nothing_is_accepted_fails(pipe: Run, api: Api, file: Path) -> None:
    api.on(CREATE, taken(accepted=0, batch_id=None))

    assert pipe("batch", "create", SESSION, str(file), *TEMPLATE, "--wait").code == 1
    assert len(api.asked) == 1


def test_a_dry_run_keeps_nothing(terminal: Run, api: Api, file: Path) -> None:
    api.on(CREATE, taken(batch_id=None, finish_at=None))

    said = terminal("batch", "create", SESSION, str(file), *TEMPLATE, "--dry-run")

    body = api.asked[0].body
    assert isinstance(body, dict)
    assert body["dry_run"] is True
    assert said.out.splitlines()[0] == "batch           none: a dry run"
    assert "finished at     -" in said.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "say what to send"),
        (
            ("--template", "Hi {{nome}}, {{x}}"),
            "has no column nome, x, which the template uses; it has to, name, refer",
        ),
        (("--template", "Hi {{na me}}"), "write a variable as {{name}}"),
        ((*TEMPLATE, "--time-zone", "UTC"), "go with --window"),
        ((*TEMPLATE, "--days", "1"), "go with --window"),
        ((*TEMPLATE, "--filename", "a"), "go with a file"),
        ((*TEMPLATE, "--dry-run", "--wait"), "a dry run"),
    ],
)
def test_words_that_do_not_fit_together_send_nothing(
    pipe: Run, api: Api, file: Path, words: tuple[str, ...], told: str
) -> None:
    said = pipe("batch", "create", SESSION, str(file), *words)

    assert (said.code, said.out, api.asked) == (2, "", [])
    assert told in said.err


@pytest.mark.parametrize(
    "words",
    [
        "",
        "create a",
        "show",
        "create a f --window 9",
        "create a f --window 09:00-",
        "create a f --days 0-3",
        "create a f --days 5-1",
        "create a f --days 1-2-3",
        "create a f --days mon",
    ],
)
def test_wrong_usage_exits_with_2(pipe: Run, words: str) -> None:
    with pytest.raises(SystemExit) as left:
        pipe("batch", *words.split())

    assert left.value.code == 2


def test_a_file_that_cannot_be_read_sends_nothing(pipe: Run, api: Api, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 16_000_001)

    for name, told in (("none", "No such file"), ("large", "is larger than 16 MB")):
        said = pipe("batch", "create", SESSION, str(tmp_path / name), *TEMPLATE)
        assert (said.code, api.asked) == (1, [])
        assert told in said.err


def test_what_was_handed_over_can_be_waited_for(pipe: Run, api: Api, file: Path, watched: Watch) -> None:
    over = batch(state="active", accepted=2, counts={"sent": 1, "read": 1}, estimated_at=None)
    api.on(CREATE, taken())
    api.on(f"GET {PATH}", Answer(body=batch(accepted=2, counts={"queued": 1, "sent": 1})), Answer(body=over))

    said, drawn = watched("batch", "create", SESSION, str(file), *TEMPLATE, "--wait")

    assert (said.code, said.document) == (0, taken().body)
    assert drawn == (
        "\r[############------------] 1 of 2 (50 %)  1 queued, 1 sent  done at 2026-11-22 08:22:04 UTC\x1b[K\r\x1b[K"
    )
    assert pipe("batch", "create", SESSION, str(file), *TEMPLATE, "--wait").code == 0


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (
            batch(state="done", counts={"bounced": 10, "sent": 1190}),
            "10 messages were not sent: 1,190 sent, 10 bounced",
        ),
        (
            batch(state="cancelled", counts={"sent": 1190, "cancelled": 10}),
            "10 messages were not sent: 1,190 sent, 10 cancelled",
        ),
        (batch(counts={"sent": 1190, "queued": 10}), "not all messages have ended: 10 queued, 1,190 sent"),
    ],
)
def test_waiting_for_one_that_was_not_sent_whole_exits_with_1(
    pipe: Run, api: Api, ended: dict[str, Json], told: str
) -> None:
    api.on(f"GET {PATH}", Answer(body=ended))

    said = pipe("batch", "show", BATCH_ID, "--wait", "0")

    assert (said.code, said.document) == (1, ended)
    assert said.err == f"openwa-manager: {BATCH_ID}: {told}\n"


def test_on_a_terminal_waiting_leaves_the_last_line(terminal: Run, api: Api) -> None:
    api.on(f"GET {PATH}", Answer(body=batch(hold={"code": "batch_paused", "detail": "", "until": None})))

    said = terminal("batch", "show", BATCH_ID, "--wait", "0")

    assert said.code == 1
    assert said.out == (
        "[############------------] 600 of 1,200 (50 %)  600 queued, 500 sent, 90 delivered, 10 failed  batch_paused\n"
    )


def test_a_batch_is_shown_a_fact_a_line(terminal: Run, api: Api) -> None:
    api.on(f"GET {PATH}", Answer(body=batch()))

    lines = terminal("batch", "show", BATCH_ID).out.splitlines()

    assert "counts        600 queued, 500 sent, 90 delivered, 10 failed" in lines
    assert "rejected      2 duplicate" in lines
    assert lines[-1] == "[############------------] 600 of 1,200 (50 %)"


def test_batches_of_a_session_are_a_table(terminal: Run, api: Api) -> None:
    held = batch(name=None, hold={"code": "batch_paused", "detail": "by a person", "until": None}, estimated_at=None)
    api.on(f"GET /v1/sessions/{SESSION}/batches", Answer(body={"batches": [batch(), held], "next_cursor": BATCH_ID}))

    said = terminal("batch", "list", SESSION, "--limit", "2", "-o", "wide")

    head, first, second, more = (line.split("  ") for line in said.out.splitlines())
    columns = ["CREATED UTC", "BATCH", "NAME", "STATE", "ENDED", "NOT SENT", "DONE AT UTC", "HELD"]
    assert [each.strip() for each in head if each] == columns
    assert [each.strip() for each in first if each] == [
        *("2026-11-22 07:22:04", BATCH_ID, "autumn", "active", "600 of 1,200", "10", "2026-11-22 08:22:04", "-"),
    ]
    assert [each.strip() for each in second if each][-2:] == ["-", "batch_paused: by a person"]
    assert more == ["there are more: --limit N"]


def test_batches_are_gathered_page_by_page(pipe: Run, terminal: Run, api: Api) -> None:
    path, whole = f"/v1/sessions/{SESSION}/batches", [batch(name=str(number)) for number in range(120)]
    api.on(
        f"GET {path}",
        Answer(body={"batches": [*whole[:100]], "next_cursor": "batch_7"}),
        Answer(body={"batches": [*whole[100:]], "next_cursor": None}),
        Answer(body={"batches": [], "next_cursor": None}),
    )

    assert pipe("batch", "list", SESSION, "--limit", "150").document == {"batches": whole, "has_more": False}
    assert terminal("batch", "list", SESSION).out == "no batches\n"
    assert [each.query for each in api.asked] == [
        {"limit": "100"},
        {"limit": "50", "cursor": "batch_7"},
        {"limit": "20"},
    ]


@pytest.mark.parametrize(
    ("verb", "line", "body"),
    [
        ("pause", f"PATCH {PATH}", {"state": "paused"}),
        ("resume", f"PATCH {PATH}", {"state": "active"}),
        ("cancel", f"DELETE {PATH}", None),
    ],
)
def test_every_verb_asks_for_one_thing(pipe: Run, api: Api, verb: str, line: str, body: Json) -> None:
    api.on(line, Answer(body=batch()))

    assert pipe("batch", verb, BATCH_ID).document == batch()
    assert [each.body for each in api.asked] == [body]


def test_what_cannot_be_done_exits_with_1_and_what_is_not_there_with_3(pipe: Run, api: Api) -> None:
    api.on(f"PATCH {PATH}", problem(409, "conflict", "the batch has ended"))

    assert pipe("batch", "pause", BATCH_ID).code == 1
    assert pipe("batch", "show", "batch_0").code == 3
    assert pipe("batch", "cancel", "..").code == 3
    assert [each.path for each in api.asked] == [PATH, "/v1/batches/batch_0"]
