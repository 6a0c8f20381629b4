"""The command that looks for what may keep the daemon from working."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.discovery import HOMES, socket_of
from openwa_manager.cli.errors import FAILED
from openwa_manager.cli.terminal.output import table
from openwa_manager.host.user_paths import expanded

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json


def _doctor(invocation: Invocation) -> int | None:
    if invocation.arguments.selftest:
        from openwa_manager.cli.selftest.selftest import run_selftest

        return None if run_selftest(invocation.output.write) else FAILED
    from openwa_manager.cli.doctor.checks import examine

    findings = list(examine(_home(invocation), invocation.environ))
    is_bad = any(finding.level == "fail" for finding in findings)
    document: dict[str, Json] = {"healthy": not is_bad, "checks": [finding._asdict() for finding in findings]}
    invocation.output.show(document, lambda: table(("CHECK", "STATE", "FOUND", "DO"), findings))
    return FAILED if is_bad else None


def _home(invocation: Invocation) -> Path:
    """Return the home that is named, else the one of a daemon that runs here, else the default."""
    named = invocation.arguments.home or invocation.environ.get("OPENWA_MANAGER_HOME")
    if named:
        return expanded(named)
    homes = [expanded(home) for home in HOMES]
    return next((home for home in homes if socket_of(home).exists()), homes[0])


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--selftest",
        action="store_true",
        help="measure this system instead, in under a minute: a line of JSON for each check, nothing personal in it",
    )


COMMANDS = (Command("doctor", "look for what stands in the daemon's way", _doctor, _declare),)
