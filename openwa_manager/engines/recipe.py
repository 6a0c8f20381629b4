"""What a recipe is: how its engine is built, and by what a live one is recognised."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from openwa_manager.domain.isolation import Isolation
from openwa_manager.domain.ports import Clock, Engine
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.environment import EngineContext
from openwa_manager.engines.program import Program, ProgramValues
from openwa_manager.host.foreign.engine_files import EngineFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineValues:
    """The values all engines of one daemon are built from; each recipe takes what it needs.

    `answer_timeout_s` bounds each ordinary call to an engine, `send_timeout_s` one that sends a message; `engine_type`
    is how OpenWA speaks to WhatsApp.
    """

    clock: Clock
    files: EngineFiles
    context: EngineContext
    answer_timeout_s: float
    node: str
    openwa_home: Path
    builds: Path
    engine_type: str
    command_argv: Sequence[str]
    command_env: Mapping[str, str] = field(repr=False)
    send_timeout_s: float = 60.0

    @property
    def programs(self) -> ProgramValues:
        """Return those by which a recipe finds its program."""
        return ProgramValues(
            node=self.node,
            openwa_home=self.openwa_home,
            builds=self.builds,
            command_argv=self.command_argv,
            environ=self.context.environ,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One kind of engine.

    `program` returns what its engines run. `recognizes` tells from the arguments and the environment of a live process
    whether this recipe launched it. `scripts` returns the words among a process's arguments that only these engines
    have, such as the path of what node runs; it is given `openwa_home` and `command_argv`. `isolation` is the one its
    engines have unless another is asked for, by how OpenWA speaks to WhatsApp.
    """

    build: Callable[[EngineValues], Engine]
    program: Callable[[ProgramValues], Program]
    recognizes: Callable[[Sequence[str], Mapping[str, str]], bool]
    isolation: Callable[[str], Isolation]
    scripts: Callable[[Path, Sequence[str]], tuple[str, ...]]
