"""Which sessions a command is about: ids, patterns, labels and statuses."""

import argparse
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, cast

from openwa_manager.cli.command import Invocation, completed_by_ids, path_of_session
from openwa_manager.cli.commands.sessions import STATUSES, Session, pair
from openwa_manager.cli.errors import UsageError
from openwa_manager.cli.listing import WILD, list_sessions, require_likeness
from openwa_manager.domain.errors import SessionNotFoundError


class SelectedSessions(NamedTuple):
    """The ids, and whether exactly one session was named."""

    ids: Sequence[str]
    is_single: bool


def takes_sessions(parser: argparse.ArgumentParser) -> None:
    """Declare which sessions a command is about."""
    words = "the sessions; also patterns, as 'user_1_*' (in quotes)"
    completed_by_ids(parser.add_argument("session_ids", metavar="ID", nargs="*", help=words))
    parser.add_argument(
        "--label", metavar="NAME=TEXT", type=pair, action="append", default=[], help="those with it; may be repeated"
    )
    parser.add_argument(
        "--status", choices=STATUSES, metavar="STATUS", action="append", default=[], help="those in it, as failed"
    )


def is_anything_named(given: argparse.Namespace) -> bool:
    """Tell whether these words say which sessions are meant."""
    return bool(given.session_ids or given.label or given.status)


def select(invocation: Invocation) -> SelectedSessions:
    """Return the sessions that are meant.

    Raises:
        UsageError: none is named.
        SessionNotFoundError: one cannot be, or none is like the pattern, label or status.
    """
    given = invocation.arguments
    words: list[str] = [word.replace("…", "*") for word in given.session_ids]  # as tables shorten ids
    if not is_anything_named(given):
        raise UsageError("say which sessions: ids, patterns such as 'user_1_*', --label NAME=TEXT or --status STATUS")
    is_plain = all(WILD.isdisjoint(word) for word in words)
    if is_plain and not given.label and not given.status:
        for word in words:
            path_of_session(word)
        return SelectedSessions(list(dict.fromkeys(words)), len(words) == 1)
    sessions = cast("Sequence[Session]", list_sessions(invocation.client, {}))
    require_likeness(words, [session["session_id"] for session in sessions])
    ids = [session["session_id"] for session in sessions if _is_meant(session, words, given)]
    if not ids:
        raise SessionNotFoundError("there is no such session: nothing has all that was asked for")
    return SelectedSessions(ids, is_single=False)


def _is_meant(session: Session, words: Sequence[str], given: argparse.Namespace) -> bool:
    labels: Mapping[str, str] = session["labels"]
    return (
        (not words or any(fnmatchcase(session["session_id"], word) for word in words))
        and all(labels.get(name) == text for name, text in given.label)
        and (not given.status or session["status"] in given.status)
    )
