"""`create`: the code of a new session, and following it until a phone is linked; an API on a real socket."""

import pytest

from tests.cli.commands.samples import code_of, modules_on, session
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api

PATH = "/v1/sessions/user_1_session_a"


def waits_for_a_phone(api: Api) -> None:
    new = session(status="qr_ready", qr={"seq": 1}, phone_number=None)
    api.on("POST /v1/sessions", Answer(status=201, body=new))
    api.on(f"GET {PATH}", Answer(body=new), Answer(body=session()))


def test_only_the_id_is_printed_where_only_ids_are_asked_for(pipe: Run, api: Api) -> None:
    waits_for_a_phone(api)

    said = pipe("create", "user_1_session_a", "--wait-for", "connected", "-o", "ids")

    assert (said.code, said.out, said.err) == (0, "user_1_session_a\n", "")


def test_a_code_has_no_id_and_that_is_said_at_once(pipe: Run, api: Api) -> None:
    said = pipe("qr", "user_1_session_a", "-f", "-o", "ids")

    assert (said.code, said.out, api.asked) == (2, "", [])
    assert "a code has no id" in said.err


@pytest.mark.parametrize("rows", [24, 60])
def test_create_draws_the_code_where_it_fits(
    terminal: Run, api: Api, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setenv("LINES", str(rows))
    qr_base64, modules = code_of("2@pairing", 10)
    new = session(status="qr_ready", qr_base64=qr_base64, qr={"seq": 1, "expires_at": "2026-11-22T07:22:04.165Z"})
    api.on("POST /v1/sessions", Answer(status=201, body=new))

    said = terminal("create", "user_1_session_a")

    lines = said.out.splitlines()
    assert lines[0] == "user_1_session_a: qr_ready"
    assert lines[1].startswith("code until ")
    assert lines[1].endswith(": WhatsApp > Linked devices > Link a device")
    if rows == 60:
        assert len(modules_on(said.out)) >= len(modules) + 8
    else:
        assert modules_on(said.out) == []
        assert lines[-1] == "In a larger window it is drawn by: openwa-manager qr user_1_session_a -f"
    assert len(lines) < rows
    assert qr_base64 not in said.out
