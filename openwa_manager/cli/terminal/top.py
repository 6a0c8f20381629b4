"""`top`: all sessions in a table that is redrawn every few seconds and can be sorted."""

import argparse
import os
import select
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypedDict, cast

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.errors import NotReachableError
from openwa_manager.cli.listing import list_sessions
from openwa_manager.cli.terminal.output import NOTHING, Output, cell
from openwa_manager.cli.terminal.screen import paint, second_screen
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing
from openwa_manager.cli.terminal.texts import shortened, size
from openwa_manager.cli.terminal.window import terminal_size

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_INTERVAL_S = 1.0
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


class _Usage(TypedDict):
    rss_bytes: int
    cpu_percent: float


class _Restarts(TypedDict):
    count: int


class _Session(TypedDict):
    """What is read here of the API's session."""

    session_id: str
    status: str
    pid: int | None
    started_at: str | None
    last_seen_at: str | None
    restarts: _Restarts
    usage: _Usage | None


class _Column(NamedTuple):
    """A column: the key that sorts by it, its name, what is shown (given wall time now) and what is compared."""

    key: str
    name: str
    show: Callable[[_Session, float], object]
    rank: Callable[[_Session], str | float]
    is_descending: bool = True


def _cpu(session: _Session) -> float:
    return session["usage"]["cpu_percent"] if session["usage"] else -1.0


def _rss_bytes(session: _Session) -> int:
    return session["usage"]["rss_bytes"] if session["usage"] else -1


def _seconds_since(at: str | None, now: float) -> float | None:
    return None if at is None else max(0.0, now - datetime.fromisoformat(at).timestamp())


def _span(seconds: float | None) -> str:
    """Return a time span in its two largest units."""
    if seconds is None:
        return NOTHING
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02}h"
    return f"{hour}h {minute:02}m" if hour else f"{minute}m {second:02}s"


_COLUMNS: Mapping[str, _Column] = {
    "id": _Column("i", "SESSION", lambda s, _: s["session_id"], lambda s: s["session_id"], is_descending=False),
    "status": _Column("s", "STATUS", lambda s, _: s["status"], lambda s: s["status"], is_descending=False),
    "pid": _Column("p", "PID", lambda s, _: s["pid"], lambda s: s["pid"] or 0, is_descending=False),
    "uptime": _Column(
        "u",
        "UPTIME",
        lambda s, now: _span(_seconds_since(s["started_at"], now)),
        lambda s: s["started_at"] or "~",
        is_descending=False,
    ),
    "restarts": _Column("r", "RESTARTS", lambda s, _: s["restarts"]["count"], lambda s: s["restarts"]["count"]),
    "cpu": _Column("c", "CPU", lambda s, _: f"{_cpu(s):.1f} %" if s["usage"] else None, _cpu),
    "memory": _Column("m", "MEMORY", lambda s, _: size(_rss_bytes(s) if s["usage"] else None), _rss_bytes),
    "seen": _Column(
        "l",
        "LAST SEEN",
        lambda s, now: _span(_seconds_since(s["last_seen_at"], now)),
        lambda s: s["last_seen_at"] or "",
        is_descending=False,
    ),
}
_KINDS = {
    "id": ColumnKind.ID,
    "status": ColumnKind.STATUS,
    "restarts": ColumnKind.COUNT,
    "cpu": ColumnKind.COUNT,
    "memory": ColumnKind.SIZE,
}
#: Which columns stay when the window is narrow.
_WORTH = {"id": 9, "status": 8, "cpu": 7, "memory": 6, "uptime": 5, "seen": 4, "restarts": 3, "pid": 2}
_BY_KEY = {column.key: name for name, column in _COLUMNS.items()}


def _top(invocation: Invocation) -> None:
    given = invocation.arguments
    if given.once or not (invocation.output.is_terminal and invocation.output.is_for_people):
        sessions = list_sessions(invocation.client, {})
        ranked = _ranked(cast("list[_Session]", sessions), given.sort, is_reversed=given.reverse)
        invocation.output.show({"sessions": cast("Json", ranked)}, lambda: _drawn(invocation.output, ranked, _now()))
        return
    with _screen():
        _watch(invocation, given.sort, is_reversed=given.reverse)


def _watch(invocation: Invocation, sort: str, *, is_reversed: bool) -> None:
    """Redraw until `q` is pressed; the key of a column sorts by it, `v` turns the order around."""
    sessions: list[_Session] = []
    trouble = ""
    while True:
        try:
            sessions, trouble = cast("list[_Session]", list_sessions(invocation.client, {})), ""
        except NotReachableError as error:
            trouble = f"trying again: {error}"
        ranked = _ranked(sessions, sort, is_reversed=is_reversed)
        table = _drawn(invocation.output, ranked, _now()).splitlines()
        _paint([trouble or _summary(sessions), _help(sort)], table)
        key = _pressed(invocation.arguments.interval)
        if key == "q":
            return
        is_reversed = not is_reversed if key == "v" else is_reversed and key not in _BY_KEY
        sort = _BY_KEY.get(key, sort)


def _ranked(sessions: Sequence[_Session], sort: str, *, is_reversed: bool) -> list[_Session]:
    column = _COLUMNS[sort]
    by_id = sorted(sessions, key=lambda session: session["session_id"])
    return sorted(by_id, key=column.rank, reverse=column.is_descending is not is_reversed)


def _drawn(output: Output, sessions: Sequence[_Session], now: float) -> str:
    rows = [[column.show(session, now) for column in _COLUMNS.values()] for session in sessions]
    columns = [
        Column(column.name, _WORTH[name], _KINDS.get(name, ColumnKind.CODE)) for name, column in _COLUMNS.items()
    ]
    return output.listing(Listing(columns, rows, "no sessions"))


def _summary(sessions: Sequence[_Session]) -> str:
    counts = Counter(session["status"] for session in sessions)
    cpu = sum(max(0.0, _cpu(session)) for session in sessions)
    memory = size(sum(max(0, _rss_bytes(session)) for session in sessions))
    states = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    return f"{len(sessions)} sessions ({states or 'none'})  CPU {cpu:.1f} %  memory {memory}"


def _help(sort: str) -> str:
    keys = " ".join(column.key for column in _COLUMNS.values())
    return f"sorted by {sort}; keys: {keys} sort, v turns around, q quits"


def _paint(said: Sequence[str], table: Sequence[str]) -> None:
    """Draw over the last picture; lines that do not fit are left out, and the last one says how many."""
    width, height = terminal_size()
    head, *rows = table
    room = max(0, height - len(said) - 1)
    if len(rows) > room:
        rows = [*rows[: max(0, room - 1)], f"and {len(rows) - room + 1} more"]
    paint([*(shortened(cell(line), width) for line in said), f"{_BOLD}{head}{_PLAIN}", *rows])


@contextmanager
def _screen() -> Iterator[None]:
    """Use the terminal's second screen and read single keys while the body runs; then restore the terminal."""
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
    if before:
        tty.setcbreak(sys.stdin)
    try:
        with second_screen():
            yield
    finally:
        if before:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _pressed(within_s: float) -> str:
    """Return the key that is pressed within this time; empty when none is."""
    if not sys.stdin.isatty():
        time.sleep(within_s)
        return ""
    readable, _, _ = select.select([sys.stdin], [], [], within_s)
    return os.read(sys.stdin.fileno(), 1).decode(errors="replace") if readable else ""


def _now() -> float:
    from openwa_manager.host.clock import SystemClock

    return SystemClock().now().at


def _declare_top(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="print the table once and leave")
    parser.add_argument("--sort", choices=tuple(_COLUMNS), default="cpu", help="sort by this (%(default)s)")
    parser.add_argument("--reverse", action="store_true", help="turn the order around")
    parser.add_argument(
        "--interval", metavar="S", type=float, default=_INTERVAL_S, help="renew it every S seconds (%(default)g)"
    )


COMMANDS = (Command("top", "watch what the sessions do and use", _top, _declare_top),)
