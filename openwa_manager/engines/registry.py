"""The one list of recipes; a new kind of engine is a module with its `RECIPE`, and one line here.

Names are at hand without importing any recipe: commands that only need the names start quickly.
"""

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what they need takes longer to import than a command of the CLI takes
    from openwa_manager.domain.isolation import Isolation
    from openwa_manager.domain.ports import Engine
    from openwa_manager.engines.program import Program, ProgramValues
    from openwa_manager.engines.recipe import EngineValues, Recipe

OPENWA, SIMULATOR, COMMAND = "openwa", "simulator", "command"

#: Where each recipe is, by the name that settings, sessions and callers know it by.
_MODULES: Mapping[str, str] = {
    OPENWA: "openwa_manager.engines.openwa",
    SIMULATOR: "openwa_manager.engines.simulator",
    COMMAND: "openwa_manager.engines.command",
}

#: Every recipe.
NAMES = tuple(_MODULES)


def build_engines(values: "EngineValues") -> dict[str, "Engine"]:
    """Return one engine of each recipe, by its name."""
    return {name: _recipe(name).build(values) for name in NAMES}


def program_of(name: str, values: "ProgramValues") -> "Program":
    """Return what engines of a recipe run."""
    return _recipe(name).program(values)


def name_of(arguments: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Return which recipe launched a live process with these arguments; None when no recipe recognises it."""
    return next((name for name in NAMES if _recipe(name).recognizes(arguments, environment)), None)


def scripts_of(openwa_home: Path, command_argv: Sequence[str]) -> frozenset[str]:
    """Return the words among a process's arguments by which it is known to run an engine's program."""
    return frozenset(word for name in NAMES for word in _recipe(name).scripts(openwa_home, command_argv))


def isolation_of(name: str, engine_type: str) -> "Isolation":
    """Return the isolation that engines of a recipe have unless another is asked for."""
    return _recipe(name).isolation(engine_type)


def is_engine(arguments: Sequence[str], environment: Mapping[str, str], command_argv: Sequence[str] = ()) -> bool:
    """Tell whether a live process with these arguments is an engine of any kind, whoever started it.

    `command_argv` is the template of the recipe `command`; an interpreter may stand before its program.
    """
    if name_of(arguments, environment) is not None:
        return True
    given = arguments[-len(command_argv) :] if command_argv else ()
    return len(given) == len(command_argv) > 0 and all(map(_fits, command_argv, given))


def _fits(template: str, argument: str) -> bool:
    """Tell whether an argument was made from this template: whatever stands in braces may have become anything."""
    pattern = ".*".join(re.escape(text) for text in re.split(r"\{[a-z_]+\}", template))
    return re.fullmatch(pattern, argument, re.DOTALL) is not None


def _recipe(name: str) -> "Recipe":
    recipe: Recipe = import_module(_MODULES[name]).RECIPE
    return recipe
