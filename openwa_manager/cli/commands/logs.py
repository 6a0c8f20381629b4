"""The command that prints what the engines of sessions printed."""

import argparse
import sys
from codecs import iterdecode
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from threading import Thread

from openwa_manager.cli.command import Command, Invocation, path_of_session
from openwa_manager.cli.commands.changes.selection import select, takes_sessions
from openwa_manager.cli.errors import FAILED, complain
from openwa_manager.cli.terminal.texts import shortened, text_width
from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.domain.printable import printable

TAIL = 200
#: More than that of one line is printed as another one, so that an engine cannot make us keep it all.
_LINE_MAX = 65_536
_NAME_MAX = 24


def _logs(invocation: Invocation) -> int | None:
    chosen = select(invocation)
    if not chosen.is_single:
        return _print_several(invocation, chosen.ids)
    chunks = _chunks(invocation, chosen.ids[0])
    if invocation.output.is_for_people:
        for text in iterdecode(chunks, "utf-8", errors="replace"):
            invocation.output.write_part(printable(text, keeps_lines=True))
        return None
    for chunk in chunks:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    return None


def _chunks(invocation: Invocation, session_id: str) -> Iterator[bytes]:
    given = invocation.arguments
    query = {"tail": TAIL if given.tail is None else given.tail, "follow": 1 if given.follow else None}
    return invocation.client.stream(f"{path_of_session(session_id)}/logs", query)


def _print_several(invocation: Invocation, ids: Sequence[str]) -> int | None:
    """Print each line behind the id of its session; return 1 if the log of any could not be read."""
    width = min(max(map(len, ids)), _NAME_MAX if invocation.output.is_terminal else 64)
    names = {session_id: shortened(session_id, width, in_middle=True) for session_id in ids}
    has_failed = False
    for session_id, text in _lines(invocation, ids):
        if isinstance(text, OpenwaManagerError):
            complain(f"{session_id}: {text}")
            has_failed = True
            continue
        name = names[session_id] + " " * (width - text_width(names[session_id]))
        invocation.output.write(f"{name} | {printable(text.expandtabs())}")
    return FAILED if has_failed else None


def _lines(invocation: Invocation, ids: Sequence[str]) -> Iterator[tuple[str, str | OpenwaManagerError]]:
    """Yield lines of all logs: one log after the other, or as they come when they are followed."""
    if not invocation.arguments.follow:
        for session_id in ids:
            yield from _lines_of(invocation, session_id)
        return
    lines: SimpleQueue[tuple[str, str | OpenwaManagerError] | None] = SimpleQueue()

    def listen(session_id: str) -> None:
        for line in _lines_of(invocation, session_id):
            lines.put(line)
        lines.put(None)

    for session_id in ids:
        Thread(target=listen, args=(session_id,), daemon=True).start()
    left_count = len(ids)
    while left_count:
        if (line := lines.get()) is None:
            left_count -= 1
        else:
            yield line


def _lines_of(invocation: Invocation, session_id: str) -> Iterator[tuple[str, str | OpenwaManagerError]]:
    rest = ""
    try:
        for text in iterdecode(_chunks(invocation, session_id), "utf-8", errors="replace"):
            *whole, rest = (rest + text).split("\n")
            yield from ((session_id, line) for line in whole)
            if len(rest) > _LINE_MAX:
                yield session_id, rest
                rest = ""
    except OpenwaManagerError as error:
        yield session_id, error
    if rest:
        yield session_id, rest


def _declare_logs(parser: argparse.ArgumentParser) -> None:
    takes_sessions(parser)
    parser.add_argument("--tail", metavar="N", type=int, nargs="?", help=f"the last N lines ({TAIL})")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with the lines to come")


COMMANDS = (Command("logs", "print what the engines of sessions printed", _logs, _declare_logs),)
