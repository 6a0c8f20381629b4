"""The command that shows the settings in effect, and what engines would run, without starting the daemon."""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.commands.serve import declare_settings, load_settings
from openwa_manager.cli.terminal.tables import Column, Listing
from openwa_manager.domain.builds.builds import HOME_BUILD
from openwa_manager.domain.errors import ProgramMissingError

if TYPE_CHECKING:
    from openwa_manager.config import Loaded, Settings
    from openwa_manager.domain.delivery.events import Json
    from openwa_manager.engines.program import ProgramValues

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
    """Return what engines of the kind in the settings would run: the default build, and of those that pin one theirs.

    The daemon logs the first at its start.
    """
    from openwa_manager.config.policies import program_values
    from openwa_manager.engines.registry import OPENWA
    from openwa_manager.store.backup.read_only import BuildsInUse, builds_in_use

    values = program_values(settings, environ)
    used = builds_in_use(settings.home / "manager.db") if settings.engine == OPENWA else BuildsInUse()
    build = used.default if settings.engine == OPENWA else None
    pinned: list[Json] = [
        {"build": name, "sessions": list(sessions), **_found(settings.engine, values.of_build(name))}
        for name, sessions in used.pins.items()
        if name != build
    ]
    found = _found(settings.engine, values if build is None else values.of_build(build))
    return {"engine": settings.engine, "build": build, **found, "pinned": pinned}


def _found(engine: str, values: "ProgramValues") -> "dict[str, Json]":
    import asyncio

    from openwa_manager.engines.program import find_program
    from openwa_manager.engines.registry import program_of

    try:
        found = asyncio.run(find_program(program_of(engine, values)))
    except (ProgramMissingError, OSError) as error:  # OSError: the host has no process or file left
        return {"argv": None, "version": None, "missing": str(error)}
    return {"argv": list(found.argv), "version": found.version, "missing": None}


def _said(program: "Mapping[str, Json]") -> str:
    build = f" from the build {program['build']}" if program["build"] not in (None, HOME_BUILD) else ""
    lines = [f"{program['engine']}{build} {_runs(program)}"]
    for each in cast("Sequence[Mapping[str, Json]]", program["pinned"]):
        sessions = cast("Sequence[str]", each["sessions"])
        lines.append(f"the build {each['build']}, pinned by {len(sessions)} of the sessions, {_runs(each)}")
    return "\n".join(lines)


def _runs(program: "Mapping[str, Json]") -> str:
    argv = program["argv"]
    if not isinstance(argv, list):
        return f"cannot run: {program['missing']}"
    version = f" (version {program['version']})" if program["version"] else ""
    return f"would run: {shlex.join(map(str, argv))}{version}"


def _declare_config(parser: argparse.ArgumentParser) -> None:
    words = "print the settings in effect, where each comes from, and the program that engines would run"
    parser.add_argument("verb", choices=("check",), help=words)
    parser.add_argument("--all", action="store_true", help="also those that have their defaults")
    declare_settings(parser)


COMMANDS = (Command("config", "look at the settings", _check, _declare_config),)
