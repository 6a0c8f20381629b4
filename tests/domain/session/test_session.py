"""Ids that are safe names, and the one public word for both machines."""

import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.session.session import (
    Identity,
    LinkState,
    ProcessState,
    SessionId,
    Status,
    is_session_id,
    log_path_of,
    user_of,
)
from tests.domain.session.driver import a_launch, a_session, an_identity

LEGAL = string.ascii_lowercase + string.digits + "_-"


@given(st.text(LEGAL, min_size=1, max_size=63).filter(lambda text: text[0] not in "_-"))
def test_every_name_of_legal_characters_is_a_session_id(text: str) -> None:
    assert is_session_id(text)


@given(st.text() | st.text(LEGAL + "/.\n\x00A é", max_size=70))
def test_nothing_else_is_a_session_id(text: str) -> None:
    is_legal = 0 < len(text) <= 63 and text[0] not in "_-" and set(text) <= set(LEGAL)

    assert is_session_id(text) is is_legal


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "a\n", "-a", "_a", "A", "a" * 64, "ä", "a b", "a.b"])
def test_what_is_no_safe_directory_name_is_no_session_id(text: str) -> None:
    assert not is_session_id(text)


@pytest.mark.parametrize(
    ("session_id", "user_id"),
    [
        ("user_1_session_550e8400", "1"),
        ("user_ann_b_session_x", "ann_b"),
        ("user_1_session_a_session_b", "1"),
        ("user_1_session_", "1"),
        ("user__session_x", None),
        ("user_1", None),
        ("my_user_1_session_x", None),
    ],
)
def test_the_user_stands_in_the_session_id(session_id: str, user_id: str | None) -> None:
    assert user_of(SessionId(session_id)) == user_id


WORDS = {
    (ProcessState.STOPPED, LinkState.UNKNOWN): Status.STOPPED,
    (ProcessState.STOPPED, LinkState.BANNED): Status.BANNED,
    (ProcessState.STOPPED, LinkState.LOGGED_OUT): Status.LOGGED_OUT,
    (ProcessState.STARTING, LinkState.UNKNOWN): Status.CREATING,
    (ProcessState.STARTING, LinkState.QR_READY): Status.QR_READY,
    (ProcessState.RUNNING, LinkState.UNKNOWN): Status.CREATING,
    (ProcessState.RUNNING, LinkState.QR_READY): Status.QR_READY,
    (ProcessState.RUNNING, LinkState.AUTHENTICATING): Status.AUTHENTICATING,
    (ProcessState.RUNNING, LinkState.CONNECTED): Status.CONNECTED,
    (ProcessState.RUNNING, LinkState.DISCONNECTED): Status.DISCONNECTED,
    (ProcessState.STOPPING, LinkState.UNKNOWN): Status.STOPPING,
    (ProcessState.STOPPING, LinkState.BANNED): Status.STOPPING,
    (ProcessState.STOPPING, LinkState.LOGGED_OUT): Status.STOPPING,
    (ProcessState.BACKOFF, LinkState.UNKNOWN): Status.RESTARTING,
    (ProcessState.FAILED, LinkState.UNKNOWN): Status.FAILED,
}


@pytest.mark.parametrize(("process", "link"), WORDS)
def test_one_word_stands_for_both_machines(process: ProcessState, link: LinkState) -> None:
    session = replace(a_session(), process=process, link=link)

    assert session.status is WORDS[process, link]


def test_a_pid_is_that_of_a_known_process() -> None:
    session, launch = a_session(), a_launch(1, 0.0)

    assert session.pid is None
    assert replace(session, launch=launch).pid is None
    assert replace(session, launch=replace(launch, identity=an_identity())).pid == 1001


def test_a_reused_pid_is_another_process() -> None:
    assert Identity(boot_id="a", pid=1, started=5) != Identity(boot_id="a", pid=1, started=6)
    assert Identity(boot_id="a", pid=1, started=5) != Identity(boot_id="b", pid=1, started=5)


def test_secrets_do_not_show() -> None:
    session = replace(a_session(), launch=a_launch(1, 0.0))

    assert "engine_key" not in repr(session)
    assert "secret" not in repr(session)


@pytest.mark.parametrize(
    ("process", "link", "awaits"),
    [
        (ProcessState.RUNNING, LinkState.UNKNOWN, True),
        (ProcessState.STARTING, LinkState.QR_READY, True),
        (ProcessState.RUNNING, LinkState.DISCONNECTED, True),
        (ProcessState.RUNNING, LinkState.CONNECTED, False),
        (ProcessState.STOPPING, LinkState.UNKNOWN, False),
    ],
)
def test_a_code_is_awaited_of_an_engine_that_is_up_and_not_linked(
    process: ProcessState, link: LinkState, awaits: bool
) -> None:
    session = replace(a_session(), process=process, link=link, launch=a_launch(1, 0.0))

    assert session.awaits_code is awaits
    assert not replace(session, launch=None).awaits_code


def test_a_log_lies_in_the_session_or_in_the_folder_of_all_logs() -> None:
    session_id, root = a_session().session_id, Path("/home/sessions")

    assert log_path_of(session_id, root, None).path == root / session_id / "logs" / "engine.log"
    assert log_path_of(session_id, root, Path("/logs")).path == Path(f"/logs/{session_id}.log")
