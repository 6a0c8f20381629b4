"""The command that shows and changes the list of those whom a user's sessions never write to."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from openwa_manager.cli.client import RequestContent
from openwa_manager.cli.command import Command, Invocation, declare_all
from openwa_manager.cli.commands.messaging.addresses import suppressions_path
from openwa_manager.cli.commands.messaging.content import present, read_file
from openwa_manager.cli.errors import FAILED, CommandFailedError, complain
from openwa_manager.cli.terminal.output import table
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing
from openwa_manager.host.files import write_file

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_CSV = "text/csv"
_PAGE = 1000
#: More than the API takes, so that the daemon says what its limit is.
_FILE_MAX_BYTES = 64_000_000


class _Suppression(TypedDict):
    """What is read here of the API's suppression; `to` None: the person was erased."""

    to: str | None
    reason: str | None
    created_at: str


class _Rejected(TypedDict):
    line: int
    code: str
    detail: str


class _Imported(TypedDict):
    """What is read here of the API's answer to a file; `rejected` has the first of those that name nobody."""

    added: int
    already: int
    rejected_count: int
    rejected: Sequence[_Rejected]


def _list(invocation: Invocation) -> None:
    path, found, cursor = suppressions_path(invocation.arguments.whose), list["Json"](), None
    while True:
        page = cast("Mapping[str, Json]", invocation.client.get(path, {"limit": _PAGE, "cursor": cursor}))
        found += cast("list[Json]", page["suppressions"])
        cursor = cast("str | None", page["next_cursor"])
        if cursor is None:
            break
    document: Json = {"suppressions": found}
    invocation.output.show_list(document, lambda: _listed(cast("Sequence[_Suppression]", found)))


_COLUMNS = (Column("NOBODY WRITES TO", 9), Column("REASON", 8), Column("SINCE", 7, ColumnKind.TIME))


def _listed(found: Sequence[_Suppression]) -> Listing:
    rows = [(each["to"] or "(erased)", each["reason"], each["created_at"]) for each in found]
    return Listing(_COLUMNS, rows, "nobody is on the list")


def _add(invocation: Invocation) -> None:
    given = invocation.arguments
    answer = invocation.client.post(
        suppressions_path(given.whose), body=present({"to": given.to, "reason": given.reason})
    )
    invocation.output.show(
        answer, lambda: f"{given.to} is on the list of {given.whose}: nobody writes to them any more"
    )


def _remove(invocation: Invocation) -> None:
    given = invocation.arguments
    invocation.client.delete(suppressions_path(given.whose, given.to))
    invocation.output.show({"to": given.to, "removed": True}, lambda: f"{given.to} may be written to again")


def _import(invocation: Invocation) -> int | None:
    """Return 1 if a line names nobody: somebody is not on the list who should be."""
    given = invocation.arguments
    raw = read_file(given.file, _FILE_MAX_BYTES)
    answer = invocation.client.upload(suppressions_path(given.whose), RequestContent(raw, _CSV))
    imported = cast("_Imported", answer)
    invocation.output.show(answer, lambda: _drawn_import(imported))
    if not imported["rejected_count"]:
        return None
    complain(f"{imported['rejected_count']:,} lines of {given.file} name nobody")
    return FAILED


def _drawn_import(imported: _Imported) -> str:
    said = f"{imported['added']:,} are new on the list, {imported['already']:,} were on it"
    rejected = imported["rejected"]
    if not rejected:
        return said
    rows = [(each["line"], each["code"], each["detail"]) for each in rejected]
    hidden = imported["rejected_count"] - len(rows)
    more = f"\nand {hidden:,} more" if hidden else ""
    return f"{said}\n{table(('LINE', 'REJECTED', 'WHY'), rows)}{more}"


def _export(invocation: Invocation) -> None:
    given = invocation.arguments
    chunks = invocation.client.stream(suppressions_path(given.whose), headers={"Accept": _CSV})
    content = b"".join(chunks)
    if given.output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        write_file(given.output.resolve(), content, is_durable=False)
    except OSError as error:
        raise CommandFailedError(f"{given.output} cannot be written: {error.strerror}") from error


def _takes_contact(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("to", metavar="TO", help="a number, as +85212345678, or a chat id")


def _declare_add(parser: argparse.ArgumentParser) -> None:
    _takes_contact(parser)
    parser.add_argument("--reason", metavar="TEXT", help="why, for those who read the list")


def _declare_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="CSV with a column `to`, or numbers in the first, and perhaps `reason`; - is stdin",
    )


def _declare_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", metavar="FILE", type=Path, help="write it here instead of printing it")


_VERBS = (
    Command("list", "show who is on the list", _list),
    Command("add", "write to somebody no more; what waits for them is cancelled", _add, _declare_add),
    Command("remove", "allow writing to somebody again", _remove, _takes_contact),
    Command(
        "import", "put all on the list whom a file names (exit 1 if a line names nobody)", _import, _declare_import
    ),
    Command("export", "print the list as CSV", _export, _declare_export),
)


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("whose", metavar="USER", help="whose sessions; session:ID for a session without a user")
    declare_all(_VERBS, parser, is_required=False)


COMMANDS = (Command("suppress", "show and change whom a user's sessions never write to", _list, _declare),)
