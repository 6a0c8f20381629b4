"""The commands that list, add, change and remove the endpoints events are sent to."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast
from urllib.parse import quote

from openwa_manager.cli.command import Command, Invocation, declare_all
from openwa_manager.cli.commands.event_types import event_type
from openwa_manager.cli.errors import FAILED, CommandFailedError
from openwa_manager.cli.terminal.output import cell, moment, record
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_PATH = "/v1/endpoints"


class _Endpoint(TypedDict):
    """What is read here of the API's endpoint."""

    endpoint_id: str
    url: str
    status: str
    events: Sequence[str]
    sessions: Sequence[str]
    pending_count: int
    disabled_reason: str | None
    last_error: str | None
    down_since: str | None
    next_probe_at: str | None


class _Endpoints(TypedDict):
    endpoints: Sequence[_Endpoint]


class _Trial(TypedDict):
    delivered: bool
    status: int | None
    error: str | None
    elapsed_ms: float


def _list(invocation: Invocation) -> None:
    answer = invocation.client.get(_PATH)
    invocation.output.show_list(answer, lambda: _listed(cast("_Endpoints", answer)["endpoints"]))


_COLUMNS = (
    Column("ENDPOINT", 9),
    Column("STATUS", 8, ColumnKind.STATUS),
    Column("WAITING", 6, ColumnKind.COUNT),
    Column("EVENTS", 5),
    Column("SESSIONS", 4),
    Column("URL", 7),
)
_NOTHING = "no endpoints: nobody is told anything (upstream_url, or `openwa-manager endpoints add URL`)"


def _listed(endpoints: Sequence[_Endpoint]) -> Listing:
    rows = [
        (
            each["endpoint_id"],
            _status_of(each),
            each["pending_count"],
            each["events"],
            each["sessions"],
            each["url"],
        )
        for each in endpoints
    ]
    troubles = "\n".join(line for each in endpoints for line in _trouble_of(each))
    return Listing(_COLUMNS, rows, _NOTHING, troubles)


def _status_of(endpoint: _Endpoint) -> str:
    return endpoint["status"] + (f" ({endpoint['disabled_reason']})" if endpoint["disabled_reason"] else "")


def _trouble_of(endpoint: _Endpoint) -> Iterator[str]:
    """Yield what went wrong with an endpoint last, since when, and when it is tried again."""
    if endpoint["last_error"] is None:
        return
    since = f", down since {moment(endpoint['down_since'])}" if endpoint["down_since"] else ""
    then = f", next try {moment(endpoint['next_probe_at'])}" if endpoint["next_probe_at"] else ""
    yield f"{cell(endpoint['endpoint_id'])}: {cell(endpoint['last_error'])}{since}{then}"


def _show_one(invocation: Invocation) -> None:
    _show(invocation, invocation.client.get(_path(invocation)))


def _add(invocation: Invocation) -> None:
    given = invocation.arguments
    body = _present({"url": given.endpoint_url, **_filters(invocation), "secret": _secret(invocation)})
    _show(invocation, invocation.client.post(_PATH, body=body))


def _change(invocation: Invocation) -> None:
    _show(
        invocation,
        invocation.client.patch(
            _path(invocation), _present({"url": invocation.arguments.endpoint_url, **_filters(invocation)})
        ),
    )


def _pause(invocation: Invocation) -> None:
    _show(invocation, invocation.client.patch(_path(invocation), {"active": False}))


def _resume(invocation: Invocation) -> None:
    _show(invocation, invocation.client.post(f"{_path(invocation)}/resume"))


def _rotate(invocation: Invocation) -> None:
    _show(
        invocation,
        invocation.client.post(f"{_path(invocation)}/rotate-secret", body=_present({"secret": _secret(invocation)})),
    )


def _remove(invocation: Invocation) -> None:
    invocation.client.delete(_path(invocation))
    endpoint_id = invocation.arguments.endpoint_id
    invocation.output.show({"endpoint_id": endpoint_id, "removed": True}, lambda: f"{endpoint_id} removed")


def _test(invocation: Invocation) -> int | None:
    """Return 1 if the endpoint did not take it."""
    answer = invocation.client.post(f"{_path(invocation)}/test")
    trial = cast("_Trial", answer)
    words = "it took the test event" if trial["delivered"] else f"it did not take the test event: {trial['error']}"
    invocation.output.show(answer, lambda: f"{words} ({trial['elapsed_ms']:g} ms)")
    return None if trial["delivered"] else FAILED


def _show(invocation: Invocation, endpoint: "Json") -> None:
    invocation.output.show(endpoint, lambda: record(cast("Mapping[str, object]", endpoint)))


def _path(invocation: Invocation) -> str:
    return f"{_PATH}/{quote(invocation.arguments.endpoint_id, safe='')}"


def _filters(invocation: Invocation) -> dict[str, "Json"]:
    return {"events": invocation.arguments.event, "sessions": invocation.arguments.session}


def _secret(invocation: Invocation) -> str | None:
    """Return the secret from the file that was named; None when there was none.

    Raises:
        CommandFailedError: it cannot be read.
    """
    path: Path | None = invocation.arguments.secret_file
    if path is None:
        return None
    try:
        return (sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailedError(f"{path} cannot be read: {error}") from error


def _present(body: "Mapping[str, Json]") -> "Json":
    return {name: value for name, value in body.items() if value is not None}


def _takes_endpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("endpoint_id", metavar="ID", help="the endpoint; `default` is that of the settings")


def _takes_filters(parser: argparse.ArgumentParser) -> None:
    events = "as session.* or message.received (all)"
    parser.add_argument("--event", metavar="PATTERN", type=event_type, action="append", help=events)
    parser.add_argument("--session", metavar="PATTERN", action="append", help="as user_1_* (all)")


def _takes_secret(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--secret-file", metavar="FILE", type=Path, help="read the secret here, - is stdin (made up)")


def _declare_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("endpoint_url", metavar="URL", help="where events are posted")
    _takes_filters(parser)
    _takes_secret(parser)


def _declare_change(parser: argparse.ArgumentParser) -> None:
    _takes_endpoint(parser)
    parser.add_argument("--to", metavar="URL", dest="endpoint_url", help="where events are posted")
    _takes_filters(parser)


def _declare_rotate(parser: argparse.ArgumentParser) -> None:
    _takes_endpoint(parser)
    _takes_secret(parser)


_VERBS = (
    Command("list", "list the endpoints", _list),
    Command("show", "show one, with what went wrong last", _show_one, _takes_endpoint),
    Command("add", "tell one more endpoint; prints its secret", _add, _declare_add),
    Command("change", "change URL or filters", _change, _declare_change),
    Command("pause", "tell it nothing until it is resumed", _pause, _takes_endpoint),
    Command("resume", "tell it again, and at once what waits", _resume, _takes_endpoint),
    Command("rotate", "give it a new secret; for 24 h the old one signs too", _rotate, _declare_rotate),
    Command("test", "post a signed test event now", _test, _takes_endpoint),
    Command("remove", "forget it, and what it was not told", _remove, _takes_endpoint),
)


def _declare(parser: argparse.ArgumentParser) -> None:
    declare_all(_VERBS, parser, is_required=False)


COMMANDS = (Command("endpoints", "show and change whom the daemon tells what happens", _list, _declare),)
