"""The commands about quotas and about those whom nobody writes to, against an API on a real socket."""

from collections.abc import Callable
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.commands.messaging.samples import AT
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api

QUOTA = "/v1/users/1/quota"
LIST = "/v1/users/1/suppressions"


def quota(limit: int | None = 50) -> dict[str, Json]:
    return {
        "messages_limit": limit,
        "messages_used_this_month": 45,
        "messages_reserved": 3,
        "resets_at": "2026-12-01T00:00:00.000Z",
    }


def test_a_quota_is_shown(pipe: Run, terminal: Run, api: Api) -> None:
    api.on(f"GET {QUOTA}", Answer(body=quota()))

    assert pipe("quota", "1").document == quota()
    assert terminal("quota", "1").out.splitlines() == [
        "limit a month    50",
        "sent this month  45",
        "reserved         3",
        "left             2",
        "begins anew at   2026-12-01 00:00:00 UTC",
    ]


def test_a_user_without_limit_has_no_limit(terminal: Run, api: Api) -> None:
    api.on(f"GET {QUOTA}", Answer(body=quota(None)))

    assert terminal("quota", "1").out.count("no limit") == 2


@pytest.mark.parametrize(("word", "limit"), [("20", 20), ("0", 0), ("none", None)])
def test_a_limit_is_set_and_taken_away(pipe: Run, api: Api, word: str, limit: int | None) -> None:
    api.on(f"PUT {QUOTA}", Answer(body=quota(limit)))

    assert pipe("quota", "1", "--limit", word).document == quota(limit)
    assert [each.body for each in api.asked] == [{"messages_limit": limit}]


@pytest.mark.parametrize("word", ["-1", "many", "1.5", ""])
def test_what_is_no_limit_is_refused(pipe: Run, word: str) -> None:
    with pytest.raises(SystemExit) as left:
        pipe("quota", "1", "--limit", word)

    assert left.value.code == 2


def test_any_name_of_a_user_stays_one_part_of_the_path(pipe: Run, api: Api) -> None:
    assert [pipe("quota", name).code for name in ("..", "", "a/../b", "李", "session:a")] == [3, 3, 3, 3, 2]
    assert [each.path for each in api.asked] == ["/v1/users/a%2F..%2Fb/quota", "/v1/users/%E6%9D%8E/quota"]


def entry(**changes: Json) -> dict[str, Json]:
    whole: dict[str, Json] = {"to": "85212345678@c.us", "reason": "keyword STOP", "created_at": AT}
    return whole | changes


@pytest.mark.parametrize("words", [(), ("list",)])
def test_the_list_is_gathered_page_by_page(pipe: Run, api: Api, words: tuple[str, ...]) -> None:
    api.on(
        f"GET {LIST}",
        Answer(body={"suppressions": [entry()], "next_cursor": "c"}),
        Answer(body={"suppressions": [entry(to=None)], "next_cursor": None}),
    )

    assert pipe("suppress", "1", *words).document == {"suppressions": [entry(), entry(to=None)]}
    assert api.asked[1].query["cursor"] == "c"


def test_the_list_is_a_table_on_a_terminal(terminal: Run, api: Api) -> None:
    api.on(f"GET {LIST}", Answer(body={"suppressions": [entry(), entry(to=None)], "next_cursor": None}))

    assert terminal("suppress", "1", "-o", "wide").out.splitlines() == [
        "NOBODY WRITES TO  REASON        SINCE UTC",
        "85212345678@c.us  keyword STOP  2026-11-22 07:22:04",
        "(erased)          keyword STOP  2026-11-22 07:22:04",
    ]


def test_an_empty_list_says_so(terminal: Run, api: Api) -> None:
    api.on("GET /v1/sessions/a/suppressions", Answer(body={"suppressions": [], "next_cursor": None}))

    assert terminal("suppress", "session:a", "list").out == "nobody is on the list\n"


def test_somebody_is_put_on_the_list_and_taken_off(pipe: Run, terminal: Run, api: Api) -> None:
    api.on(f"POST {LIST}", Answer(status=201, body=entry()))
    api.on(f"DELETE {LIST}/%2B85212345678", Answer(status=204))

    added = pipe("suppress", "1", "add", "+85212345678", "--reason", "wrote a letter")
    again = terminal("suppress", "1", "add", "+85212345678")
    removed = terminal("suppress", "1", "remove", "+85212345678")

    assert added.document == entry()
    assert api.asked[0].body == {"to": "+85212345678", "reason": "wrote a letter"}
    assert again.out == "+85212345678 is on the list of 1: nobody writes to them any more\n"
    assert removed.out == "+85212345678 may be written to again\n"


def test_a_file_is_imported_as_it_is(pipe: Run, api: Api, tmp_path: Path, typed: Callable[[str], None]) -> None:
    answer: Json = {"added": 1, "already": 0, "rejected_count": 0, "rejected": []}
    api.on(f"POST {LIST}", Answer(body=answer))
    file = tmp_path / "f.csv"
    file.write_text("to,reason\n+85212345678,a\n")

    assert pipe("suppress", "1", "import", str(file)).document == answer
    typed("to\n1\n")
    assert pipe("suppress", "1", "import", "-").code == 0

    assert api.asked[0].headers["Content-Type"] == "text/csv"
    assert [each.body for each in api.asked] == ["to,reason\n+85212345678,a\n", "to\n1\n"]


def test_lines_of_a_file_that_name_nobody_are_told(terminal: Run, api: Api, tmp_path: Path) -> None:
    rejected: Json = {"line": 3, "code": "invalid_recipient", "detail": "no number"}
    api.on(
        f"POST {LIST}", Answer(body={"added": 1200, "already": 4, "rejected_count": 101, "rejected": [rejected] * 100})
    )
    file = tmp_path / "f.csv"
    file.write_text("to\n")

    said = terminal("suppress", "1", "import", str(file))

    assert (said.code, said.err) == (1, f"openwa-manager: 101 lines of {file} name nobody\n")
    lines = said.out.splitlines()
    assert lines[0] == "1,200 are new on the list, 4 were on it"
    assert lines[2].split("  ")[-1] == "no number"
    assert lines[-1] == "and 1 more"


def test_the_list_is_exported(pipe: Run, api: Api, tmp_path: Path) -> None:
    content = "to,reason\r\n+85212345678,é\r\n".encode()
    api.on(f"GET {LIST}", Answer(raw=content))

    printed = pipe("suppress", "1", "export")
    written = pipe("suppress", "1", "export", "--output", str(tmp_path / "f.csv"))
    refused = pipe("suppress", "1", "export", "--output", str(tmp_path / "none" / "f.csv"))

    assert printed.out.encode() == content
    assert api.asked[0].headers["Accept"] == "text/csv"
    assert (written.out, (tmp_path / "f.csv").read_bytes()) == ("", content)
    assert (refused.code, "cannot be written" in refused.err) == (1, True)


def test_nobody_is_not_there(pipe: Run, api: Api) -> None:
    assert pipe("suppress", "2", "remove", "1").code == 3
    assert pipe("suppress", "..", "remove", "1").code == 3
    assert pipe("suppress", "session:..", "list").code == 3
    assert len(api.asked) == 1
