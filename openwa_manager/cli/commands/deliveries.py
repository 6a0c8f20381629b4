"""The command that lists deliveries and replays them."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict, cast

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.errors import UsageError
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_PATH = "/v1/deliveries"
_STATES = ("pending", "delivered", "dead")
_LIMIT = 100


class _Delivery(TypedDict):
    """What is read here of the API's delivery."""

    event_id: str
    event_type: str
    session_id: str | None
    endpoint_id: str
    state: str
    attempts: int
    occurred_at: str
    last_status: int | None
    last_error: str | None
    next_at: str | None


class _Page(TypedDict):
    deliveries: Sequence[_Delivery]
    next_cursor: str | None


class _Replayed(TypedDict):
    count: int


def _deliveries(invocation: Invocation) -> None:
    given = invocation.arguments
    if given.verb == "replay":
        _replay(invocation)
        return
    if given.id or given.since or given.until or given.dry_run:
        raise UsageError("--id, --since, --until and --dry-run belong to replay")
    query = {
        "state": given.state,
        "session_id": given.session,
        "endpoint_id": given.endpoint,
        "limit": given.limit or _LIMIT,
    }
    answer = invocation.client.get(_PATH, query)
    invocation.output.show_list(answer, lambda: _listed(cast("_Page", answer)))


_COLUMNS = (
    Column("TIME", 5, ColumnKind.TIME),
    Column("EVENT", 9, ColumnKind.CODE),
    Column("SESSION", 7, ColumnKind.ID),
    Column("ENDPOINT", 3, ColumnKind.ID),
    Column("STATE", 8, ColumnKind.STATUS),
    Column("TRIES", 4, ColumnKind.COUNT),
    Column("LAST ANSWER", 6),
    Column("NEXT TRY", 2, ColumnKind.TIME),
    Column("EVENT ID", 1, ColumnKind.ID),
)


def _listed(page: _Page) -> Listing:
    rows = [
        (
            each["occurred_at"],
            each["event_type"],
            each["session_id"],
            each["endpoint_id"],
            each["state"],
            each["attempts"],
            each["last_error"] or each["last_status"],
            each["next_at"],
            each["event_id"],
        )
        for each in page["deliveries"]
    ]
    return Listing(_COLUMNS, rows, "no deliveries", "there are more: --limit N" if page["next_cursor"] else "")


def _replay(invocation: Invocation) -> None:
    given = invocation.arguments
    if given.limit is not None:
        raise UsageError("--limit belongs to list")
    selection: dict[str, Json] = {
        "ids": given.id,
        "session_id": given.session,
        "endpoint_id": given.endpoint,
        "since": given.since,
        "until": given.until,
        "state": given.state,
    }
    asked = {name: value for name, value in selection.items() if value is not None}
    if not asked:
        raise UsageError("say which: --id, --session, --endpoint, --since, --until, --state or --dead")
    answer = invocation.client.post(f"{_PATH}/replay", body={**asked, **({"dry_run": True} if given.dry_run else {})})
    told = "would be made once more" if given.dry_run else "are made once more"
    invocation.output.show(answer, lambda: f"{cast('_Replayed', answer)['count']} deliveries {told}")


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", nargs="?", choices=("list", "replay"), default="list", help="replay makes them again")
    parser.add_argument("--state", choices=_STATES, help="only those in this state")
    parser.add_argument("--dead", dest="state", action="store_const", const="dead", help="only those given up")
    parser.add_argument("--session", metavar="ID", help="only those about this session")
    parser.add_argument("--endpoint", metavar="ID", help="only those to this endpoint")
    parser.add_argument("--limit", metavar="N", type=int, help=f"list at most so many ({_LIMIT})")
    parser.add_argument("--id", metavar="EVENT", action="append", help="replay: this event; may be repeated")
    parser.add_argument("--since", metavar="TIME", help="replay: what happened since, as 2026-11-22T07:00:00Z")
    parser.add_argument("--until", metavar="TIME", help="replay: what happened before, written likewise")
    parser.add_argument("--dry-run", action="store_true", help="replay: count them only")


COMMANDS = (Command("deliveries", "list what became of each event, or send some once more", _deliveries, _declare),)
