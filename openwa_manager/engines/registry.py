"""The one list of recipes; a new kind of engine is a module with its `RECIPE`, and one line here.

Names are at hand without importing any recipe: commands that only need the names start quickly.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from openwa_manager.domain.isolation import Isolation
from openwa_manager.domain.ports import Engine
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


def build_engines(values: EngineValues) -> dict[str, Engine]:
    """Return one engine of each recipe, by its name."""
    return {name: _recipe(name).build(values) for name in NAMES}


def name_of(arguments: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Return which recipe launched a live process with these arguments; None when no recipe recognises it."""
    return next((name for name in NAMES if _recipe(name).recognizes(arguments, environment)), None)


def scripts_of(openwa_home: Path, command_argv: Sequence[str]) -> frozenset[str]:
    """Return the words among a process's arguments by which it is known to run an engine's program."""
    return frozenset(word for name in NAMES for word in _recipe(name).scripts(openwa_home, command_argv))


def isolation_of(name: str, engine_type: str) -> Isolation:
    """Return the isolation that engines of a recipe have unless another is asked for."""
    return _recipe(name).isolation(engine_type)


def _recipe(name: str) -> Recipe:
    recipe: Recipe = import_module(_MODULES[name]).RECIPE
    return recipe
