"""The command that shows the queues of sessions, and pauses, resumes, paces or empties one."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TypedDict, cast

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.commands.messaging.addresses import session_path
from openwa_manager.cli.commands.messaging.answers import Hold, counts_said, said_hold
from openwa_manager.cli.commands.messaging.content import present
from openwa_manager.cli.errors import CommandFailedError, UsageError
from openwa_manager.cli.listing import list_sessions
from openwa_manager.cli.terminal.output import cell, moment, record
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: What is held by nothing waits for its turn only.
_SAID_HOLDS = {"none": "in turn"}
_VERBS = ("pause", "resume", "clear")
_PROFILES = ("guide", "careful")
#: How often the count is read anew when messages leave or come while the queue is being emptied.
_CLEAR_TRIES = 5


class _Gap(TypedDict):
    min_s: float
    max_s: float
    free_at: str | None


class _Queue(TypedDict):
    """What is read here of the API's queue."""

    session_id: str
    state: str
    profile: str
    hold: Hold | None
    length: int
    by_status: Mapping[str, int]
    by_hold: Mapping[str, int]
    gap: _Gap
    sent_per_hour: int
    failure_rate: float | None
    first_contacts_left: int | None
    estimated_at: str | None


def _queue(invocation: Invocation) -> None:
    given = invocation.arguments
    if given.word is not None:
        _refuse_word(given.session_id, given.word)
    change = present({"state": given.state, "profile": given.profile})
    if given.session_id is None:
        if change or given.clear or given.yes:
            raise UsageError("name the session whose queue is meant")
        _list(invocation)
    elif given.clear:
        if change:
            raise UsageError("--clear goes with no other change")
        _clear(invocation, f"{invocation.session_path}/queue")
    elif given.yes:
        raise UsageError("--yes belongs to --clear")
    else:
        path = f"{invocation.session_path}/queue"
        queue = invocation.client.patch(path, change) if change else invocation.client.get(path)
        invocation.output.show(queue, lambda: (_said_changed if change else _drawn)(_read(queue)))


def _refuse_word(first: str, second: str) -> NoReturn:
    """Refuse a second word; as a verb one of the two is an option here."""
    for verb, session_id in ((first, second), (second, first)):
        if verb in _VERBS:
            raise UsageError(f"did you mean: openwa-manager queue {session_id} --{verb}")
    raise UsageError(f"{second!r} is one word too many")


def _list(invocation: Invocation) -> None:
    sessions = cast("Sequence[Mapping[str, str]]", list_sessions(invocation.client, {}))
    queues = [invocation.client.get(f"{session_path(session['session_id'])}/queue") for session in sessions]
    invocation.output.show_list({"queues": queues}, lambda: _listed([_read(queue) for queue in queues]))


_COLUMNS = (
    Column("SESSION", 9, ColumnKind.ID),
    Column("QUEUE", 8, ColumnKind.STATUS),
    Column("PROFILE", 1),
    Column("WAITING", 7, ColumnKind.COUNT),
    Column("SENT/H", 3, ColumnKind.COUNT),
    Column("FAILED", 5),
    Column("EMPTY AT", 4, ColumnKind.TIME),
    Column("HELD", 6),
)


def _listed(queues: Sequence[_Queue]) -> Listing:
    rows = [
        (
            each["session_id"],
            each["state"],
            each["profile"],
            each["length"],
            each["sent_per_hour"],
            _share(each["failure_rate"]),
            each["estimated_at"],
            said_hold(each["hold"]),
        )
        for each in queues
    ]
    return Listing(_COLUMNS, rows, "no sessions")


def _share(rate: float | None) -> str | None:
    return None if rate is None else f"{rate:.0%}"


def _clear(invocation: Invocation, path: str) -> None:
    """Cancel all that waits, once a person has said so who knows how much it is."""
    given = invocation.arguments
    for left in reversed(range(_CLEAR_TRIES if given.yes else 1)):
        count = _read(invocation.client.get(path))["length"]
        if not given.yes:
            _require_yes(given.session_id, count)
        try:
            invocation.client.delete(path, {"confirm": count})
        except CommandFailedError as error:
            if not left or "(count_changed)" not in str(error):
                raise
        else:
            document: Json = {"session_id": given.session_id, "cancelled": count}
            invocation.output.show(document, partial(_said_cleared, given.session_id, count))
            return


def _said_cleared(session_id: str, count: int) -> str:
    return f"{count:,} messages of {session_id} that waited are cancelled"


def _require_yes(session_id: str, count: int) -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"{count:,} messages would be cancelled: say so with --yes")
    print(f"Cancel all {count:,} messages of {session_id} that wait? Type yes: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() != "yes":
        raise CommandFailedError("nothing was cancelled")


def _said_changed(queue: _Queue) -> str:
    """Return in a line how a queue goes on."""
    hold = said_hold(queue["hold"])
    said = f"{queue['state']}, {queue['profile']}, {queue['length']:,} waiting"
    return cell(f"{queue['session_id']}: {said}{f' ({hold})' if hold else ''}")


def _drawn(queue: _Queue) -> str:
    """Return a queue, one fact a line."""
    gap = queue["gap"]
    facts: dict[str, object] = dict(queue)
    facts |= {
        "hold": said_hold(queue["hold"]),
        "by_status": counts_said(queue["by_status"]),
        "by_hold": counts_said({_SAID_HOLDS.get(code, code): count for code, count in queue["by_hold"].items()}),
        "gap": f"{gap['min_s']:g} to {gap['max_s']:g} s"
        + (f", over at {moment(gap['free_at'])}" if gap["free_at"] else ""),
        "failure_rate": _share(queue["failure_rate"]),
        "first_contacts_left": "no limit" if queue["first_contacts_left"] is None else queue["first_contacts_left"],
    }
    return record(facts)


def _read(queue: "Json") -> _Queue:
    return cast("_Queue", queue)


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session_id", metavar="ID", nargs="?", help="the session; none: all of them")
    parser.add_argument("word", nargs="?", help=argparse.SUPPRESS)
    state = parser.add_mutually_exclusive_group()
    state.add_argument(
        "--pause", dest="state", action="store_const", const="paused", help="send nothing until it is resumed"
    )
    state.add_argument(
        "--resume",
        dest="state",
        action="store_const",
        const="active",
        help="go on, also after a hold that a person must end",
    )
    parser.add_argument(
        "--profile", choices=_PROFILES, help="how fast it sends; careful: new contacts slowly, and few a day"
    )
    parser.add_argument("--clear", action="store_true", help="cancel all that waits; asks before")
    parser.add_argument("--yes", action="store_true", help="with --clear: do not ask")


COMMANDS = (Command("queue", "show what waits and why; pause, resume or empty a queue", _queue, _declare),)
