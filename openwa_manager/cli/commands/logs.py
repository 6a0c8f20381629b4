"""The command that prints what a session's engine printed."""

import argparse
import sys
from codecs import iterdecode

from openwa_manager.cli.command import Command, Invocation, takes_session
from openwa_manager.domain.printable import printable

TAIL = 200


def _logs(invocation: Invocation) -> None:
    given = invocation.arguments
    tail = TAIL if given.tail is None else given.tail
    query = {"tail": tail, "follow": 1 if given.follow else None}
    chunks = invocation.client.stream(f"{invocation.session_path}/logs", query)
    if invocation.output.is_for_people:
        for text in iterdecode(chunks, "utf-8", errors="replace"):
            invocation.output.write_part(printable(text, keeps_lines=True))
        return
    for chunk in chunks:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def _declare_logs(parser: argparse.ArgumentParser) -> None:
    takes_session(parser)
    parser.add_argument("--tail", metavar="N", type=int, nargs="?", help=f"the last N lines ({TAIL})")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with the lines to come")


COMMANDS = (Command("logs", "print what a session's engine printed", _logs, _declare_logs),)
