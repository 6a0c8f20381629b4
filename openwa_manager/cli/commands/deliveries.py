"""The command that lists deliveries and replays them."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict, cast

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.errors import UsageError
from openwa_manager.cli.terminal.output import moment, table

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
    replayed: int


def _deliveries(invocation: Invocation) -> None:
    given = invocation.arguments
    if given.verb == "replay":
        _replay(invocation)
        return
    if given.id or given.since or given.until:
        raise UsageError("--id, --since and --until belong to replay")
    query = {
        "state": given.state,
        "session_id": given.session,
        "endpoint_id": given.endpoint,
        "limit": given.limit or _LIMIT,
    }
    answer = invocation.client.get(_PATH, query)
    invocation.output.show(answer, lambda: _listed(cast("_Page", answer)))


def _listed(page: _Page) -> str:
    columns = ("TIME", "EVENT", "SESSION", "ENDPOINT", "STATE", "TRIES", "LAST ANSWER", "NEXT TRY", "EVENT ID")
    rows = [
        (
            moment(each["occurred_at"]),
            each["event_type"],
            each["session_id"],
            each["endpoint_id"],
            each["state"],
            each["attempts"],
            each["last_error"] or each["last_status"],
            moment(each["next_at"]),
            each["event_id"],
        )
        for each in page["deliveries"]
    ]
    more = "\nthere are more: --limit N" if page["next_cursor"] else ""
    return f"{table(columns, rows)}{more}"


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
    answer = invocation.client.post(f"{_PATH}/replay", body=asked)
    invocation.output.show(answer, lambda: f"{cast('_Replayed', answer)['replayed']} deliveries are made once more")


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


COMMANDS = (Command("deliveries", "list what became of each event, or send some once more", _deliveries, _declare),)
