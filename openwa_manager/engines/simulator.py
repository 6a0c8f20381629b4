"""The recipe `simulator`: our stand-in for OpenWA, launched with our own interpreter and spoken to as OpenWA is."""

import sys
from collections.abc import Mapping, Sequence

from openwa_manager.engines.openwa import OpenwaEngine, OpenwaSetup
from openwa_manager.engines.program import FixedProgram
from openwa_manager.engines.recipe import EngineValues, Recipe

_MODULE = "openwa_manager.simulator"


def _build(values: EngineValues) -> OpenwaEngine:
    return OpenwaEngine(OpenwaSetup.of(values, FixedProgram((sys.executable, "-m", _MODULE))), values.clock)


def _recognizes(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    del environment
    return _MODULE in arguments


RECIPE = Recipe(build=_build, recognizes=_recognizes)
