"""What a supervisor must do to be measured beside the others, whatever it is spoken to by."""

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

#: An engine that costs nothing, so that only its supervisor is measured.
ENGINE: Final = ("/bin/sleep", "100000")
#: How long any single thing may take before a measurement is given up.
PATIENCE_S: Final = 120.0


class Question(Enum):
    """What a caller wants to know."""

    ONE = "status of one"
    ALL = "status of all"
    USAGE = "status of all with CPU and memory"


class Contender(Protocol):
    """A supervisor in a folder of its own, which is the `HOME` or the working directory of all that it starts.

    Its sessions have the trivial engine and are started again whenever that ends, without a pause.
    """

    name: str
    folder: Path
    #: Takes so long for some things that they are done only once.
    is_slow: bool
    #: Starts a session as soon as it is asked to, not when it looks into a folder the next time.
    can_create: bool

    def start(self) -> None:
        """Run its usual command; return once it answers."""

    def supervisor(self) -> int:
        """Return the process that is to be killed when the supervisor is."""

    def own(self) -> Sequence[int]:
        """Return all of its own processes, engines aside."""

    def create(self, session: str) -> float:
        """Create a session that is still there after a restart; return after how many seconds its engine runs."""

    def remove(self, session: str) -> None:
        """Stop a session and forget it."""

    def start_all(self) -> None:
        """Start the engine of every session."""

    def stop_all(self) -> None:
        """End the engine of every session, and keep the session."""

    def pids(self) -> Mapping[str, int]:
        """Return which engine each session has, as the supervisor sees it; a session without one is absent."""

    def save(self) -> None:
        """Make a restart find every session, where creating them does not."""

    def rate(self, question: Question, clients: int, seconds: float) -> float | None:
        """Return how many answers a second so many clients get; None if it has no such answer.

        Each asks again at once, over a connection that stays open. Every client gets at least
        one answer, however long that takes.
        """

    def list_argv(self) -> Sequence[str]:
        """Return its own command that lists the sessions."""

    def environ(self) -> Mapping[str, str]:
        """Return the environment of its commands."""

    def close(self) -> None:
        """End the supervisor; its engines may be left."""
