"""`top`, once and live."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.cli.commands.samples import session
from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api
from tests.fakes.process import ending


def used(name: str, *, cpu_percent: float, rss_bytes: int, restarts: int = 0, **changes: Json) -> dict[str, Json]:
    usage: Json = {"cpu_percent": cpu_percent, "rss_bytes": rss_bytes, "process_count": 1}
    book: Json = {"count": restarts, "last_reason": None, "next_at": None}
    return session(session_id=name, usage=usage, restarts=book, **changes)


LAZY = used("lazy", cpu_percent=0.1, rss_bytes=300_000_000, last_seen_at="2026-11-22T07:22:04.165Z")
EAGER = used("eager", cpu_percent=80.5, rss_bytes=100_000_000, restarts=7)
RESTING = session(session_id="resting", status="stopped", pid=None, usage=None, started_at=None)


@pytest.fixture(autouse=True)
def _three_sessions(api: Api) -> None:
    api.on("GET /v1/sessions", Answer(body={"sessions": [LAZY, EAGER, RESTING], "next_cursor": None}))


def first_column(out: str) -> list[str]:
    return [line.split()[0] for line in out.splitlines()]


@pytest.mark.parametrize(
    ("words", "order"),
    [
        ("", ["eager", "lazy", "resting"]),
        ("--sort memory", ["lazy", "eager", "resting"]),
        ("--sort restarts", ["eager", "resting", "lazy"]),
        ("--sort id", ["eager", "lazy", "resting"]),
        ("--sort id --reverse", ["resting", "lazy", "eager"]),
        ("--sort status", ["eager", "lazy", "resting"]),
        ("--sort seen", ["eager", "resting", "lazy"]),
    ],
)
def test_the_sessions_are_sorted_by_what_is_looked_for(terminal: Run, words: str, order: list[str]) -> None:
    said = terminal("top", "--once", *words.split())

    assert said.code == 0
    assert first_column(said.out) == ["SESSION", *order]


def test_every_session_shows_what_it_does_and_uses(terminal: Run) -> None:
    said = terminal("top", "--once")

    header, eager, _, resting = said.out.splitlines()
    assert header.split() == ["SESSION", "STATUS", "PID", "UPTIME", "RESTARTS", "CPU", "MEMORY", "LAST", "SEEN"]
    assert all(word in eager for word in ("connected", "4711", "7", "80.5 %", "100M"))
    assert resting.split() == ["resting", "stopped", "-", "-", "2", "-", "-", "-"]


def test_piped_it_is_one_document(pipe: Run) -> None:
    said = pipe("top", "--sort", "memory")

    assert isinstance(said.document, dict)
    assert said.document["sessions"] == [LAZY, EAGER, RESTING]


def test_live_it_sorts_by_key_and_leaves_the_screen_as_it_was(api: Api, home: Path) -> None:
    del api
    manager, terminal_fd = pty.openpty()
    argv = (sys.executable, "-m", "openwa_manager", "--home", home, "top", "--interval", "0.05")
    environ = {**os.environ, "COLUMNS": "200", "LINES": "20"}
    with ending(subprocess.Popen(argv, stdin=terminal_fd, stdout=terminal_fd, env=environ)) as top:
        os.close(terminal_fd)
        seen = read_until(manager, "sorted by cpu")
        os.write(manager, b"m")
        seen += read_until(manager, "sorted by memory")
        os.write(manager, b"v")
        seen += read_until(manager, "sorted by memory")
        os.write(manager, b"q")
        seen += read_until(manager, "\x1b[?1049l")

        assert top.wait(10) == 0
    os.close(manager)
    assert "3 sessions (2 connected, 1 stopped)  CPU 80.6 %  memory 400M" in seen
    assert seen.startswith("\x1b[?1049h")


def test_live_it_waits_for_a_daemon_that_is_away(api: Api, home: Path) -> None:
    api.on("GET /v1/sessions", Answer(raw=b"no JSON at all"), Answer(body={"sessions": [LAZY], "next_cursor": None}))
    manager, terminal_fd = pty.openpty()
    argv = (sys.executable, "-m", "openwa_manager", "--home", home, "top", "--interval", "0.05")
    with ending(subprocess.Popen(argv, stdin=terminal_fd, stdout=terminal_fd)) as top:
        os.close(terminal_fd)
        read_until(manager, "trying again")
        read_until(manager, "1 sessions")
        os.write(manager, b"q")
        read_until(manager, "\x1b[?1049l")

        assert top.wait(10) == 0
    os.close(manager)


def read_until(terminal: int, wanted: str) -> str:
    """Return what is drawn up to this text."""
    drawn, give_up_s = "", time.monotonic() + 20
    while wanted not in drawn:
        readable, _, _ = select.select([terminal], [], [], 1)
        assert time.monotonic() < give_up_s, drawn
        drawn += os.read(terminal, 4096).decode(errors="replace") if readable else ""
    return drawn
