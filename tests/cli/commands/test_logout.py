"""`logout`, and what a change says on a terminal, against an API on a real socket."""

import pytest

from tests.cli.commands.samples import session
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api

PATH = "/v1/sessions/user_1_session_a"


def logs_out(api: Api) -> None:
    api.on(f"POST {PATH}/logout", Answer(status=202, body=session(status="stopping")))
    api.on(f"GET {PATH}", Answer(body=session(status="stopping")), Answer(body=session(status="logged_out")))


def test_logout_waits_until_the_phone_is_unlinked(pipe: Run, terminal: Run, api: Api) -> None:
    logs_out(api)
    piped = pipe("logout", "user_1_session_a", "--yes")
    logs_out(api)
    seen = terminal("logout", "user_1_session_a", "--yes")

    assert piped.document == session(status="logged_out")
    assert seen.out == "user_1_session_a: logged_out\n"


def test_logout_does_not_wait_where_it_is_told_not_to(pipe: Run, api: Api) -> None:
    logs_out(api)

    said = pipe("logout", "user_1_session_a", "--yes", "--wait", "0")

    assert (said.code, said.document) == (0, session(status="stopping"))


def test_logout_needs_a_yes_where_nobody_can_be_asked(pipe: Run, api: Api) -> None:
    logs_out(api)

    said = pipe("logout", "user_1_session_a")

    assert (said.code, said.out, api.asked) == (2, "", [])
    assert said.err.startswith("openwa-manager: 1 session will be logged out: the phone must be linked anew.")


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("stopped", "user_1_session_a: stopped"),
        ("qr_ready", "user_1_session_a: qr_ready; openwa-manager qr user_1_session_a -f shows its codes"),
    ],
)
def test_a_change_says_one_line_on_a_terminal(terminal: Run, api: Api, status: str, line: str) -> None:
    api.on(f"POST {PATH}/restart", Answer(status=202, body=session(status=status)))

    assert terminal("restart", "user_1_session_a").out == f"{line}\n"
