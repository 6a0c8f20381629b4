"""The command that lists messages, and looks after one of them."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from openwa_manager.cli.command import Command, Invocation, declare_all
from openwa_manager.cli.commands.messaging.addresses import message_path, session_path
from openwa_manager.cli.commands.messaging.answers import (
    STATUSES,
    Message,
    MessagePage,
    said_error,
    said_hold,
    sentence,
)
from openwa_manager.cli.commands.messaging.content import positive_count
from openwa_manager.cli.errors import UsageError
from openwa_manager.cli.listing import list_sessions
from openwa_manager.cli.terminal.output import moment, record, table
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing
from openwa_manager.cli.terminal.texts import CUT
from openwa_manager.domain.errors import SessionNotFoundError

if TYPE_CHECKING:
    from openwa_manager.cli.client import Query
    from openwa_manager.domain.delivery.events import Json

_LIMIT = 100
#: The most that the API lists at once.
_PAGE = 1000


class _Listed(NamedTuple):
    """Messages of one or all sessions; `has_more` tells whether there are others."""

    messages: "list[Json]"
    has_more: bool


def _list(invocation: Invocation) -> None:
    given = invocation.arguments
    session_id: str | None = given.session_id
    limit = _LIMIT if given.limit is None else given.limit
    query: Query = {
        "status": given.status,
        "to": given.to,
        "batch_id": given.batch,
        "reference": given.reference,
    }
    if session_id is None:
        found = _of_all(invocation, query, limit)
    else:
        found = _of_session(invocation, session_id, query, limit)
    document: Json = {"messages": found.messages, "has_more": found.has_more}
    invocation.output.show_list(document, lambda: _drawn_list(found))


def _of_session(invocation: Invocation, session_id: str, query: "Query", limit: int) -> _Listed:
    path = f"{session_path(session_id)}/messages"
    messages: list[Json] = []
    cursor = None
    while len(messages) < limit:
        page_size = min(_PAGE, limit - len(messages))
        page = invocation.client.get(path, {**query, "limit": page_size, "cursor": cursor})
        messages += cast("Mapping[str, list[Json]]", page)["messages"]
        cursor = cast("MessagePage", page)["next_cursor"]
        if cursor is None:
            break
    return _Listed(messages, has_more=cursor is not None)


def _of_all(invocation: Invocation, query: "Query", limit: int) -> _Listed:
    """Ask for each session's newest, and keep the newest of them all."""
    sessions = cast("Sequence[Mapping[str, str]]", list_sessions(invocation.client, {}))
    lists = [_of_session(invocation, session["session_id"], query, limit) for session in sessions]
    messages = [message for found in lists for message in found.messages]
    messages.sort(key=lambda message: cast("Message", message)["created_at"], reverse=True)
    has_more = len(messages) > limit or any(found.has_more for found in lists)
    return _Listed(messages[:limit], has_more=has_more)


_COLUMNS = (
    Column("CREATED", 5, ColumnKind.TIME),
    Column("MESSAGE", 7, ColumnKind.ID),
    Column("SESSION", 3, ColumnKind.ID),
    Column("TO", 8, ColumnKind.ID),
    Column("STATUS", 9, ColumnKind.STATUS),
    Column("SENT", 2, ColumnKind.TIME),
    Column("WHY", 6),
    Column("REFERENCE", 4),
)


def _drawn_list(found: _Listed) -> Listing:
    messages = cast("Sequence[Message]", found.messages)
    rows = [
        (
            each["created_at"],
            each["message_id"],
            each["session_id"],
            each["to"],
            each["status"],
            each["sent_at"],
            said_hold(each["hold"]) or said_error(each),
            each["reference"],
        )
        for each in messages
    ]
    return Listing(_COLUMNS, rows, "no messages", "there are more: --limit N" if found.has_more else "")


def _show(invocation: Invocation) -> None:
    message = invocation.client.get(_path(invocation))
    invocation.output.show(message, lambda: _drawn(cast("Message", message)))


def _drawn(message: Message) -> str:
    """Return a message, one fact a line, and below every attempt at it."""
    facts: dict[str, object] = {name: value for name, value in message.items() if name != "attempts"}
    facts["hold"] = said_hold(message["hold"])
    rows = [
        (moment(each["at"]), each["outcome"], each["http_status"], each["code"], moment(each["next_at"]))
        for each in message["attempts"]
    ]
    attempts = f"\n\n{table(('ASKED AT', 'OUTCOME', 'HTTP', 'CODE', 'AGAIN AT'), rows)}" if rows else ""
    return f"{record(facts)}{attempts}"


def _cancel(invocation: Invocation) -> None:
    _say(invocation, invocation.client.delete(_path(invocation)))


def _resend(invocation: Invocation) -> None:
    _say(invocation, invocation.client.post(f"{_path(invocation)}/resend"))


def _settle(invocation: Invocation) -> None:
    verdict: str = invocation.arguments.verdict
    _say(invocation, invocation.client.post(f"{_path(invocation)}/settle", body={"as": verdict}))


def _path(invocation: Invocation) -> str:
    word: str = invocation.arguments.message_id
    if CUT in word:
        invocation.arguments.message_id = _the_one_like(invocation, word)
    return message_path(invocation.arguments.message_id)


def _the_one_like(invocation: Invocation, word: str) -> str:
    """Return the id that a table has shortened to this word; only the newest messages are looked at.

    Raises:
        SessionNotFoundError: there is none.
        UsageError: several are shortened so.
    """
    before, _, after = word.partition(CUT)
    newest = cast("Sequence[Message]", _of_all(invocation, {}, _PAGE).messages)
    ids = [each["message_id"] for each in newest]
    found = [each for each in ids if each.startswith(before) and each.endswith(after)]
    if not found:
        raise SessionNotFoundError(f"no message of the newest {_PAGE:,} is like {word!r}")
    if len(found) > 1:
        raise UsageError(f"{word!r} means {len(found):,} messages: -o wide shows their ids in full")
    return found[0]


def _say(invocation: Invocation, message: "Json") -> None:
    invocation.output.show(message, lambda: sentence(cast("Message", message)))


def _takes_message(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("message_id", metavar="MESSAGE", help="the message")


def _declare_settle(parser: argparse.ArgumentParser) -> None:
    _takes_message(parser)
    parser.add_argument(
        "--as", dest="verdict", choices=("sent", "failed"), required=True, help="what you have found out"
    )


def _takes_filters(parser: argparse.ArgumentParser, absent: str | None = None) -> None:
    parser.add_argument(
        "--status", choices=STATUSES, action="append", default=absent, help="only in this status; may be repeated"
    )
    parser.add_argument("--to", metavar="TO", default=absent, help="only to this number or chat id")
    parser.add_argument("--batch", metavar="ID", default=absent, help="only of this batch")
    parser.add_argument("--reference", metavar="TEXT", default=absent, help="only with this reference")
    parser.add_argument("--limit", metavar="N", type=positive_count, default=absent, help=f"the newest N ({_LIMIT})")


def _declare_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session_id", metavar="ID", nargs="?", help="the session; none: all of them")
    _takes_filters(parser, absent=argparse.SUPPRESS)


_LIST = Command("list", "list messages; the word may be left out", _list, _declare_list)
_VERBS = (
    _LIST,
    Command("show", "show a message and every attempt at it", _show, _takes_message),
    Command("cancel", "cancel a message that waits", _cancel, _takes_message),
    Command("resend", "send one that was not sent once more, as a new message", _resend, _takes_message),
    Command("settle", "say what became of one of which nobody knows", _settle, _declare_settle),
)


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(session_id=None)
    _takes_filters(parser)
    declare_all(_VERBS, parser, is_required=False, otherwise=_LIST)


COMMANDS = (Command("messages", "list messages; show, cancel, resend or settle one", _list, _declare),)
