"""The command that shows the settings in effect, and what engines would run, without starting the daemon."""

import argparse
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.commands.serve import declare_settings, load_settings
from openwa_manager.cli.terminal.tables import Column, Listing
from openwa_manager.domain.errors import ProgramMissingError

if TYPE_CHECKING:
    from openwa_manager.config import Loaded, Settings
    from openwa_manager.domain.delivery.events import Json

_COLUMNS = (Column("SETTING", 9), Column("VALUE", 8), Column("SOURCE", 7), Column("WHAT IT IS FOR", 0))


def _check(invocation: Invocation) -> None:
    from openwa_manager.config import masked, warnings_about
    from openwa_manager.config.descriptions import DESCRIPTIONS

    loaded = load_settings(invocation)
    warnings = warnings_about(loaded.settings)
    shown, program = masked(loaded.settings), _program(loaded.settings, invocation.environ)
    document = {
        name: {"value": value, "source": loaded.origin(name), "description": DESCRIPTIONS[name]}
        for name, value in shown.items()
    }
    said = "".join(f"\nwarning: {each}" for each in warnings)
    invocation.output.show(
        {**document, "program": program, "warnings": warnings},
        lambda: f"{_settings(invocation, loaded, shown)}\n\n{_said(program)}{said}",
    )


def _settings(invocation: Invocation, loaded: "Loaded", shown: "Mapping[str, Json]") -> str:
    """Return the settings that somebody has set; with `--all` every one."""
    from openwa_manager.config.descriptions import DESCRIPTIONS
    from openwa_manager.config.layers import DEFAULT

    rows = [(name, value, loaded.origin(name), DESCRIPTIONS[name]) for name, value in shown.items()]
    if invocation.arguments.all:
        return invocation.output.listing(Listing(_COLUMNS, rows, ""))
    named = [row for row in rows if row[2] != DEFAULT]
    others = f"{len(rows) - len(named)} settings have their defaults: --all shows them"
    return invocation.output.listing(Listing(_COLUMNS, named, others, f"\n{others}"))


def _program(settings: "Settings", environ: Mapping[str, str]) -> "dict[str, Json]":
    """Return what engines of the kind in the settings would run; the daemon logs the same at its start."""
    import asyncio

    from openwa_manager.config.policies import program_values
    from openwa_manager.engines.program import find_program
    from openwa_manager.engines.registry import program_of

    program = program_of(settings.engine, program_values(settings, environ))
    try:
        found = asyncio.run(find_program(program))
    except (ProgramMissingError, OSError) as error:  # OSError: the host has no process or file left
        return {"engine": settings.engine, "argv": None, "version": None, "missing": str(error)}
    return {"engine": settings.engine, "argv": list(found.argv), "version": found.version, "missing": None}


def _said(program: "Mapping[str, Json]") -> str:
    argv = program["argv"]
    if not isinstance(argv, list):
        return f"{program['engine']} cannot run: {program['missing']}"
    version = f" (version {program['version']})" if program["version"] else ""
    return f"{program['engine']} would run: {shlex.join(map(str, argv))}{version}"


def _declare_config(parser: argparse.ArgumentParser) -> None:
    words = "print the settings in effect, where each comes from, and the program that engines would run"
    parser.add_argument("verb", choices=("check",), help=words)
    parser.add_argument("--all", action="store_true", help="also those that have their defaults")
    declare_settings(parser)


COMMANDS = (Command("config", "look at the settings", _check, _declare_config),)
