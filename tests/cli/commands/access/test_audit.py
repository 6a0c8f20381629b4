"""`audit`, against an API on a real socket."""

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api


def entry(seq: int, **changes: Json) -> dict[str, Json]:
    whole: dict[str, Json] = {
        "seq": seq,
        "at": "2026-11-22T07:22:04.165Z",
        "actor": "shop",
        "key_id": "k1",
        "action": "session.stop",
        "session_id": "user_1",
        "target": None,
        "address": "192.0.2.7",
        "request_id": "r-1",
        "result": "accepted",
        "detail": {},
        "hash": "ab" * 32,
    }
    return whole | changes


def test_who_did_what_is_a_table_on_a_terminal(terminal: Run, api: Api) -> None:
    refused = entry(2, actor="unknown", action="key.refused", session_id=None, result="refused", detail={"status": 401})
    api.on("GET /v1/audit", Answer(body={"entries": [entry(1), refused], "next_after": 2, "head": "ab" * 32}))

    lines = terminal("audit", "-o", "wide").out.splitlines()

    assert lines[0].split() == ["TIME", "UTC", "ACTOR", "ACTION", "SESSION", "TARGET", "ADDRESS", "RESULT", "DETAIL"]
    assert lines[1].split() == [
        *("2026-11-22", "07:22:04", "shop", "session.stop", "user_1", "-", "192.0.2.7", "accepted", "-")
    ]
    assert "key.refused" in lines[2]
    assert "401" in lines[2]
    assert api.asked[0].query == {"tail": "100", "limit": "100"}


def test_what_is_wanted_is_asked_for(pipe: Run, api: Api) -> None:
    page: Json = {"entries": [], "next_after": 7, "head": None}
    api.on("GET /v1/audit", Answer(body=page))

    said = pipe("audit", "--after", "7", "--actor", "k1", "--action", "key.create", "--session", "a", "--limit", "5")

    assert said.document == page
    assert api.asked[0].query == {
        "after": "7",
        "actor": "k1",
        "action": "key.create",
        "session_id": "a",
        "limit": "5",
    }


def test_a_sound_chain_is_said_to_be_sound(terminal: Run, api: Api) -> None:
    check: Json = {"intact": True, "row_count": 12, "last_seq": 12, "head_known": None, "faults": []}
    api.on("GET /v1/audit/verify", Answer(body=check))

    said = terminal("audit", "verify")

    assert (said.code, said.out) == (0, "all 12 rows follow from each other\n")


def test_what_is_wrong_is_said_and_fails(terminal: Run, api: Api) -> None:
    fault: Json = {"kind": "missing", "first_seq": 3, "last_seq": 3, "detail": "row 3 was removed"}
    check: Json = {"intact": False, "row_count": 12, "last_seq": 12, "head_known": False, "faults": [fault]}
    api.on("GET /v1/audit/verify", Answer(body=check))

    said = terminal("audit", "verify", "--head", "ab" * 32)

    assert said.code == 1
    assert said.out.startswith("row 3 was removed\nno row has the hash")
    assert api.asked[0].query == {"head": "ab" * 32}


def test_a_hash_belongs_to_verify(pipe: Run) -> None:
    assert pipe("audit", "--head", "ab" * 32).code == 2


@pytest.mark.parametrize("words", [("--actor", "a"), ("--action", "session.stop"), ("--after", "3"), ("-f",)])
def test_verify_looks_at_every_row(pipe: Run, api: Api, words: tuple[str, ...]) -> None:
    said = pipe("audit", "verify", *words)

    assert (said.code, api.asked) == (2, [])
    assert "takes --head alone" in said.err
