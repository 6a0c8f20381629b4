"""The command that lists events, or follows them as they come."""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TypedDict, cast

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.commands.event_types import event_type
from openwa_manager.cli.terminal.output import cell, moment
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json


#: What every event has, and so needs no repeating beside its name.
_COMMON = ("id", "type", "event", "timestamp", "session_id", "user_id", "seq", "launch", "host")

_COLUMNS = (
    Column("TIME", 7, ColumnKind.TIME),
    Column("EVENT", 9, ColumnKind.CODE),
    Column("SESSION", 8, ColumnKind.ID),
    Column("FACTS", 6),
)


class _Events(TypedDict):
    events: Sequence[Mapping[str, "Json"]]
    next_after: int


def _events(invocation: Invocation) -> None:
    given = invocation.arguments
    path = f"{invocation.session_path}/events" if given.session_id else "/v1/events"
    if given.follow:
        _follow_events(invocation, path)
    which = {"tail": given.limit} if given.after is None else {"after": given.after, "limit": given.limit}
    answer = invocation.client.get(path, {**which, "type": given.type})
    found = cast("_Events", answer)["events"]
    invocation.output.show_list(answer, lambda: Listing(_COLUMNS, [_row(each) for each in found], "nothing happened"))


def _follow_events(invocation: Invocation, path: str) -> NoReturn:
    """Print events as they come, one a line, until interrupted."""
    from openwa_manager.cli.following import Follower

    for event in Follower(
        invocation.client, path, {"after": invocation.arguments.after, "type": invocation.arguments.type}
    ).follow():
        invocation.output.show(event, partial(_line, event))
    raise AssertionError


def _declare_events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session_id", metavar="ID", nargs="?", help="only those of this session")
    parser.add_argument(
        "--after", metavar="N", type=int, help="those behind this position (else the newest; -f: from now on)"
    )
    parser.add_argument("--limit", metavar="N", type=int, default=100, help="at most so many (%(default)s)")
    parser.add_argument("--type", type=event_type, help="only this type, such as session.connected")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with the events to come")


def _line(event: Mapping[str, "Json"]) -> str:
    at, *others = _row(event)
    return "  ".join(map(cell, (moment(str(at)), *others)))


def _row(event: Mapping[str, "Json"]) -> tuple[object, ...]:
    facts = {name: value for name, value in event.items() if name not in _COMMON and value is not None}
    if "qr_base64" in facts:
        facts["qr_base64"] = "…"
    return (event["timestamp"], event["type"], event["session_id"], facts)


COMMANDS = (Command("events", "list what happened", _events, _declare_events),)
