"""The command that tells who did what, and checks that nobody has changed that."""

import argparse
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TypedDict, cast

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.errors import UsageError
from openwa_manager.cli.terminal.output import cell, moment
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_Asked = dict[str, str | int | None]

_PATH = "/v1/audit"
#: How often it is asked for what follows.
_FOLLOW_S = 2.0
_COLUMNS = (
    Column("TIME", 8, ColumnKind.TIME),
    Column("ACTOR", 7),
    Column("ACTION", 9),
    Column("SESSION", 6, ColumnKind.ID),
    Column("TARGET", 5, ColumnKind.ID),
    Column("ADDRESS", 2),
    Column("RESULT", 4, ColumnKind.STATUS),
    Column("DETAIL", 3),
)


class _Page(TypedDict):
    entries: Sequence[Mapping[str, "Json"]]
    next_after: int
    head: str | None


class _Fault(TypedDict):
    detail: str


class _Check(TypedDict):
    intact: bool
    row_count: int
    head_known: bool | None
    faults: Sequence[_Fault]


def _audit(invocation: Invocation) -> int | None:
    given = invocation.arguments
    if given.verb == "verify":
        if given.follow or given.after is not None or any(_filters(given).values()):
            raise UsageError("verify looks at every row: it takes --head alone")
        return _verify(invocation)
    if given.head is not None:
        raise UsageError("--head belongs to verify")
    which: _Asked = {"tail": given.limit} if given.after is None else {"after": given.after}
    answer = invocation.client.get(_PATH, {**which, **_filters(given), "limit": given.limit})
    page = cast("_Page", answer)
    if given.follow:
        _follow(invocation, page)
    invocation.output.show_list(
        answer, lambda: Listing(_COLUMNS, [_row(each) for each in page["entries"]], "nothing was done")
    )
    return None


def _follow(invocation: Invocation, page: _Page) -> NoReturn:
    """Print rows as they come, one a line, until interrupted."""
    while True:
        for entry in page["entries"]:
            invocation.output.show(entry, partial(_line, entry))
        time.sleep(_FOLLOW_S)
        asked: _Asked = {"after": page["next_after"], **_filters(invocation.arguments)}
        page = cast("_Page", invocation.client.get(_PATH, asked))


def _filters(given: argparse.Namespace) -> "_Asked":
    return {"actor": given.actor, "action": given.action, "session_id": given.session}


def _verify(invocation: Invocation) -> int:
    answer = invocation.client.get(f"{_PATH}/verify", {"head": invocation.arguments.head})
    check = cast("_Check", answer)
    invocation.output.show(answer, lambda: _told(check))
    return 0 if check["intact"] else 1


def _told(check: _Check) -> str:
    lines = [each["detail"] for each in check["faults"]]
    if check["head_known"] is False:
        lines.append("no row has the hash that was given: it was removed by age, or the whole was made anew")
    return "\n".join(lines) or f"all {check['row_count']} rows follow from each other"


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", nargs="?", choices=("list", "verify"), default="list", help="verify checks every row")
    parser.add_argument("--actor", metavar="NAME", help="only what this caller, or the key of this id, did")
    parser.add_argument("--action", help="only this, such as session.delete or key.refused")
    parser.add_argument("--session", metavar="ID", help="only what was done to this session")
    parser.add_argument("--after", metavar="N", type=int, help="those behind this position (else the newest)")
    parser.add_argument("--limit", metavar="N", type=int, default=100, help="at most so many (%(default)s)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with those to come")
    parser.add_argument("--head", metavar="HASH", help="verify: this hash, told earlier, must be one of them")


def _line(entry: Mapping[str, "Json"]) -> str:
    at, *others = _row(entry)
    return "  ".join(map(cell, (moment(str(at)), *others)))


def _row(entry: Mapping[str, "Json"]) -> tuple[object, ...]:
    names = ("actor", "action", "session_id", "target", "address", "result", "detail")
    told = {name: entry[name] or None for name in names}
    if entry["action"] == "key.refused":  # nobody is known who gave it
        told["target"] = entry["key_id"]
    return (entry["at"], *told.values())


COMMANDS = (Command("audit", "list who did what, or check that nobody changed that", _audit, _declare),)
