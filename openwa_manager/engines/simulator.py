"""The recipe `simulator`: our stand-in for OpenWA, launched with our own interpreter and spoken to as OpenWA is."""

import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from openwa_manager.domain.isolation import Isolation
from openwa_manager.engines.openwa import OpenwaEngine, OpenwaSetup
from openwa_manager.engines.program import FixedProgram, ProgramValues
from openwa_manager.engines.recipe import EngineValues, Recipe
from openwa_manager.engines.variables import SIMULATOR_OF_SESSIONS

_MODULE = "openwa_manager.simulator"
_DATABASES = ("main.json", "openwa.json")


def _build(values: EngineValues) -> OpenwaEngine:
    setup = replace(
        OpenwaSetup.of(values, _program(values.programs)),
        isolation=_isolation(""),
        databases=_DATABASES,
        session_env=SIMULATOR_OF_SESSIONS,
    )
    return OpenwaEngine(setup, values.clock, values.files)


def _program(values: ProgramValues) -> FixedProgram:
    del values
    return FixedProgram((sys.executable, "-m", _MODULE), _code())


def _code() -> tuple[Path, ...]:
    """Return where our package lies, and what Python needs to find and run it."""
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    own = (Path(sys.prefix),) if sys.prefix != sys.base_prefix else ()  # of a virtual environment all is its own
    package = Path(__file__).parents[1]
    return (package, *own, *(Path(sysconfig.get_path(kind)) for kind in kinds))


def _recognizes(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    del environment
    return _MODULE in arguments


def _isolation(engine_type: str) -> Isolation:
    del engine_type
    return Isolation.KERNEL


def _scripts(openwa_home: Path, command_argv: Sequence[str]) -> tuple[str, ...]:
    del openwa_home, command_argv
    return (_MODULE,)


RECIPE = Recipe(build=_build, program=_program, recognizes=_recognizes, isolation=_isolation, scripts=_scripts)
