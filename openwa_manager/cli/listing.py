"""Finds sessions: all that there are, and the one that a pattern or a shortened id means."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, cast

from openwa_manager.cli.client import Client, Query
from openwa_manager.cli.errors import UsageError
from openwa_manager.domain.errors import SessionNotFoundError

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: What makes an id a pattern; tables cut out of an id what the ellipsis stands for.
WILD = frozenset("*?[…")
_PAGE = 500
_NAMED_MAX = 3


def list_sessions(client: Client, query: Query) -> "list[Json]":
    """Return all sessions that the query allows, page by page."""
    sessions: list[Json] = []
    cursor: str | None = None
    while True:
        page = cast("Mapping[str, Json]", client.get("/v1/sessions", {**query, "limit": _PAGE, "cursor": cursor}))
        sessions += cast("list[Json]", page["sessions"])
        cursor = cast("str | None", page["next_cursor"])
        if cursor is None:
            return sessions


def the_one_like(client: Client, pattern: str) -> str:
    """Return the id of the session that is like the pattern.

    Raises:
        SessionNotFoundError: none is.
        UsageError: several are.
    """
    wanted = pattern.replace("…", "*")
    found = cast("Sequence[Mapping[str, str]]", list_sessions(client, {}))
    ids = [session["session_id"] for session in found if fnmatchcase(session["session_id"], wanted)]
    require_likeness([wanted], ids)
    if len(ids) > 1:
        more = " …" if len(ids) > _NAMED_MAX else ""
        named = ", ".join(ids[:_NAMED_MAX])
        raise UsageError(f"{pattern!r} means {len(ids):,} sessions, and this takes one: {named}{more}")
    return ids[0]


def require_likeness(patterns: Sequence[str], ids: Sequence[str]) -> None:
    """Raise SessionNotFoundError unless some id is like each pattern."""
    for pattern in patterns:
        if not any(fnmatchcase(session_id, pattern) for session_id in ids):
            raise SessionNotFoundError(f"no session is like {pattern!r}")
