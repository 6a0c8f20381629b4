"""`qr`, against an API on a real socket."""

import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.commands.samples import code_of, modules_on, session
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api, problem

PATH = "/v1/sessions/user_1"


def qr_answer(qr_base64: str) -> Answer:
    at = "2026-11-22T07:22:04.165Z"
    body: Json = {
        "seq": 3,
        "attempt": 1,
        "produced_at": at,
        "expires_at": at,
        "qr_base64": qr_base64,
        "mimetype": "image/png",
    }
    return Answer(body=body)


def test_qr_draws_the_code_on_a_terminal(terminal: Run, api: Api) -> None:
    qr_base64, modules = code_of("2@pairing")
    api.on(f"GET {PATH}/qr", qr_answer(qr_base64))

    said = terminal("qr", "user_1")

    assert [row[4:-4] for row in modules_on(said.out)[4:]][: len(modules)] == modules
    assert re.search(r"code 1, until \S.* UTC: WhatsApp", said.out)


def following(api: Api, *, left_s: float, life_s: float = 20.0) -> None:
    """Have a code that is good for so long shown once, and then a phone linked."""
    qr_base64, _ = code_of("2@pairing")
    expires_at = datetime.now(UTC) + timedelta(seconds=left_s)  # noqa: TID251 (the command tells it by this clock)
    times = {"produced_at": (expires_at - timedelta(seconds=life_s)).isoformat(), "expires_at": expires_at.isoformat()}
    code: dict[str, Json] = {"seq": 3, "attempt": 1, "qr_base64": qr_base64, "mimetype": "image/png", **times}
    shown = session(session_id="user_1", status="qr_ready", qr=code)
    linked = session(session_id="user_1", status="connected", phone_number="85212345678")
    api.on(f"GET {PATH}", Answer(body=shown), Answer(body=linked))
    api.on(f"GET {PATH}/qr", Answer(body=code))


@pytest.mark.parametrize(
    ("left_s", "told"),
    [(17.4, r"code 1, 1[67] s left: WhatsApp"), (0.2, "a new one comes"), (3600.0, r"until \S.* UTC: WhatsApp")],
)
def test_following_counts_down_unless_the_clocks_differ(
    terminal: Run, api: Api, monkeypatch: pytest.MonkeyPatch, left_s: float, told: str
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LINES", "60")
    following(api, left_s=left_s)

    said = terminal("qr", "user_1", "-f")

    assert said.code == 0
    assert re.search(told, said.out)
    assert "user_1 is connected as 85212345678" in said.out


def test_a_terminal_that_cannot_be_drawn_over_gets_lines(
    terminal: Run, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    following(api, left_s=17.0)

    said = terminal("qr", "user_1", "-f")

    assert "\x1b" not in said.out
    assert " s left" not in said.out
    assert re.search(r"code 1, until \S.* UTC: WhatsApp", said.out)
    assert "user_1 is connected as 85212345678" in said.out


def test_followed_through_a_pipe_each_code_is_a_document(pipe: Run, api: Api) -> None:
    following(api, left_s=17.0)

    said = pipe("qr", "user_1", "-f")

    assert said.document["attempt"] == 1  # type: ignore[index,call-overload]


def test_qr_is_json_when_piped(pipe: Run, api: Api) -> None:
    answer = qr_answer("aW1hZ2U=")
    api.on(f"GET {PATH}/qr", answer)

    said = pipe("qr", "user_1", "--wait", "5")

    assert said.document == answer.body
    assert api.asked[0].query == {"wait": "5.0", "format": "json"}


@pytest.mark.parametrize("was_there", [False, True])
def test_qr_may_go_to_a_file_only_its_owner_reads(pipe: Run, api: Api, tmp_path: Path, was_there: bool) -> None:
    api.on(f"GET {PATH}/qr", qr_answer("data:image/png;base64,aW1hZ2U="))
    file = tmp_path / "code.png"
    if was_there:
        file.write_bytes(b"old")
        file.chmod(0o644)

    said = pipe("qr", "user_1", "--output", str(file))

    assert (said.code, said.out, file.read_bytes()) == (0, "", b"image")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_qr_that_cannot_be_written_fails(pipe: Run, api: Api, tmp_path: Path) -> None:
    api.on(f"GET {PATH}/qr", qr_answer("aW1hZ2U="))

    said = pipe("qr", "user_1", "--output", str(tmp_path))

    assert (said.code, said.err) == (1, f"openwa-manager: {tmp_path} cannot be written: Is a directory\n")


def test_no_code_in_time_fails(pipe: Run, api: Api) -> None:
    api.on(f"GET {PATH}/qr", Answer(status=204))

    said = pipe("qr", "user_1")

    assert (said.code, said.out) == (1, "")
    assert "user_1 shows no code yet" in said.err


def test_no_code_to_come_fails_with_the_reason(pipe: Run, api: Api) -> None:
    api.on(f"GET {PATH}/qr", problem(409, "illegal_transition", "the session is connected"))

    assert pipe("qr", "user_1").code == 1


def test_qr_of_one_that_is_stopped_says_how_to_start_it(pipe: Run, api: Api) -> None:
    api.on(f"GET {PATH}/qr", problem(409, "illegal_transition", "no code can come while the session is stopped"))
    api.on(f"GET {PATH}", Answer(body=session(session_id="user_1", status="stopped")))

    said, followed = pipe("qr", "user_1"), pipe("qr", "user_1", "-f")

    assert (said.code, followed.code) == (1, 1)
    assert said.err.endswith("while the session is stopped (illegal_transition); openwa-manager start user_1\n")
    assert followed.err == "openwa-manager: user_1 is stopped; openwa-manager start user_1\n"
