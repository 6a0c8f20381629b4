"""The command that looks for what is wrong: with this host and its daemon, or with some sessions."""

import argparse
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.discovery import HOMES, socket_of
from openwa_manager.cli.errors import FAILED
from openwa_manager.cli.terminal.output import IDS, WIDE
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing
from openwa_manager.domain.printable import printable
from openwa_manager.host.user_paths import expanded

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json
    from openwa_manager.domain.diagnosis.findings import Finding

#: What must be mended before `serve` works, or before any engine starts; with one of these the exit code is 1.
BLOCKING: Final = frozenset(
    {
        *("python", "sqlite", "socket", "home", "service", "settings", "listen", "intake_listen"),
        *("memory", "disk", "node", "openwa", "node_addon"),
    }
)
_COLUMNS: Final = (
    Column("LEVEL", 9, ColumnKind.STATUS),
    Column("CODE", 8, ColumnKind.CODE),
    Column("ABOUT", 5, ColumnKind.ID),
    Column("FOUND", 7),
    Column("DO", 6),
)
_ORDER: Final = ("fail", "warn", "ok")
_WIDTH_MIN, _WIDTH_MAX = 40, 120
_WELL_SHOWN_MAX: Final = 6


def _doctor(invocation: Invocation) -> int | None:
    given = invocation.arguments
    if given.selftest:
        from openwa_manager.cli.selftest.selftest import run_selftest

        return None if run_selftest(invocation.output.write) else FAILED
    if given.sessions:
        from openwa_manager.cli.doctor.asking import sessions_said

        return _show(invocation, list(sessions_said(invocation.client, given.sessions)))
    if given.url:
        from openwa_manager.cli.doctor.asking import all_said

        return _show(invocation, list(all_said(invocation.client)))
    from openwa_manager.cli.doctor.checks import examine

    return _show(invocation, list(examine(_home(invocation), invocation.environ)))


def _show(invocation: Invocation, findings: "Sequence[Finding]") -> int | None:
    is_blocked = any(each.level == "fail" and each.code in BLOCKING for each in findings)
    document: dict[str, Json] = {"healthy": not is_blocked, "findings": [_document_of(each) for each in findings]}
    if invocation.output.form == WIDE:
        invocation.output.show_list(document, lambda: Listing(_COLUMNS, _rows(findings), "nothing was found"))
    elif invocation.output.form == IDS:
        for code in dict.fromkeys(each.code for each in _ordered(findings) if each.level != "ok"):
            invocation.output.write(printable(code))
    else:
        invocation.output.show(document, lambda: _drawn(findings))
    return FAILED if is_blocked else None


def _ordered(findings: "Iterable[Finding]") -> "list[Finding]":
    """Return the findings with what is wrong first."""
    return sorted(findings, key=lambda each: _ORDER.index(each.level) if each.level in _ORDER else len(_ORDER))


def _rows(findings: "Iterable[Finding]") -> list[tuple[object, ...]]:
    return [(each.level, each.code, each.subject, each.detail, each.cure) for each in _ordered(findings)]


def _document_of(finding: "Finding") -> "dict[str, Json]":
    return {
        "code": finding.code,
        "level": finding.level,
        "subject": finding.subject,
        "detail": finding.detail,
        "cure": finding.cure,
    }


def _drawn(findings: "Iterable[Finding]") -> str:
    """Return the findings for people, what is wrong first: each wrapped to the screen, its cure below it.

    Of many that are well only the names are told, so that the rest stays on the screen.
    """
    width = min(_WIDTH_MAX, max(_WIDTH_MIN, shutil.get_terminal_size().columns))
    ordered = _ordered(findings)
    well = [each for each in ordered if each.level == "ok"]
    are_named = len(well) > _WELL_SHOWN_MAX
    lines = [line for each in ordered if not (are_named and each in well) for line in _lines(each, width)]
    if are_named:
        names = printable(", ".join(dict.fromkeys(each.code for each in well)))
        lines += textwrap.wrap(
            f"ok    {len(well)} are well (-o wide tells more): {names}",
            width,
            subsequent_indent=" " * 6,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def _lines(finding: "Finding", width: int) -> "Iterable[str]":
    where = "" if finding.subject == "host" else f"{finding.subject}: "
    text = printable(f"{finding.level:<4}  {finding.code:<14}  {where}{finding.detail}")
    yield from textwrap.wrap(text, width, subsequent_indent=" " * 6, break_on_hyphens=False)
    if finding.cure is not None:
        cure = printable(f"      do: {finding.cure}")
        yield from textwrap.wrap(cure, width, subsequent_indent=" " * 10, break_on_hyphens=False)


def _home(invocation: Invocation) -> Path:
    """Return the home that is named, else the one of a daemon that runs here, else the default."""
    named = invocation.arguments.home or invocation.environ.get("OPENWA_MANAGER_HOME")
    if named:
        return expanded(named)
    homes = [expanded(home) for home in HOMES]
    return next((home for home in homes if socket_of(home).exists()), homes[0])


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sessions",
        metavar="ID",
        nargs="*",
        help="sessions, or patterns such as 'user_1_*', to be explained; none: this host and its daemon, whose "
        "endpoints get a signed test event",
    )
    parser.add_argument(
        "--selftest",
        action="store_true",
        help="measure this system instead, in under a minute: a line of JSON for each check, nothing personal in it",
    )


COMMANDS = (
    Command(
        "doctor",
        "look for what is wrong, and say what to do",
        _doctor,
        _declare,
    ),
)
