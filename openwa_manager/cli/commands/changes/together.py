"""Does one thing to several sessions at once, and says of each what became of it."""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from openwa_manager.cli.command import Invocation
from openwa_manager.cli.errors import FAILED, LISTS_SESSIONS, NoSuchThingError
from openwa_manager.cli.terminal.progress import ProgressLine, bar
from openwa_manager.cli.terminal.texts import cell, shortened, text_width, wrapped
from openwa_manager.domain.errors import OpenwaManagerError

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: How many requests wait at the same time; the daemon starts fewer engines than that at once.
_AT_ONCE = 8
_REDRAWN_S = 0.5


class SessionOutcome(NamedTuple):
    """What became of one session: `status` None where nothing is known; `detail` says why, above all of a failure."""

    session_id: str
    status: str | None
    has_failed: bool = False
    detail: str = ""


Act = Callable[[str], SessionOutcome]


def do_together(invocation: Invocation, ids: Sequence[str], act: Act) -> int | None:
    """Do it to all at once, a few at a time; return 1 if that failed for any."""
    lines = OutcomeLines(invocation, ids)
    for outcome in _finished(ids, act):
        lines.add(outcome)
    return lines.end()


class OutcomeLines:
    """Prints a line for each outcome as it comes, for people; for programs one document at the end."""

    def __init__(self, invocation: Invocation, ids: Sequence[str]) -> None:
        self._output = invocation.output
        self._outcomes: list[SessionOutcome] = []
        width = invocation.output.width
        self._id_width = min(max(map(len, ids)), max(20, width - 40) if width else 64)

    def add(self, outcome: SessionOutcome) -> None:
        """Take in what became of one session."""
        self._outcomes.append(outcome)
        if self._output.is_for_people:
            self._output.write(self._line(outcome))

    def end(self) -> int | None:
        """Print what is printed once, and return the exit code."""
        failed_count = sum(outcome.has_failed for outcome in self._outcomes)
        document: Json = {
            "sessions": [
                {
                    "session_id": each.session_id,
                    "status": each.status,
                    "failed": each.has_failed,
                    "detail": each.detail or None,
                }
                for each in self._outcomes
            ],
            "failed_count": failed_count,
        }
        if not self._output.is_for_people:
            self._output.show(document, str)
        if failed_count:
            print(f"openwa-manager: {failed_count} of {len(self._outcomes)} failed", file=sys.stderr)
        return FAILED if failed_count else None

    def _line(self, outcome: SessionOutcome) -> str:
        name = shortened(cell(outcome.session_id), self._id_width, in_middle=True)
        name += " " * (self._id_width - text_width(name))
        status = outcome.status or "failed"
        detail = f": {cell(outcome.detail)}" if outcome.detail else ""
        line = wrapped(f"{name}  {status}{detail}", self._output.width, " " * (self._id_width + 2))
        return line.replace(f"  {status}", f"  {self._output.paint(status)}", 1)


def outcome_of_error(session_id: str, error: OpenwaManagerError) -> SessionOutcome:
    """Return what is said of a session where the daemon refused."""
    hint = LISTS_SESSIONS if isinstance(error, NoSuchThingError) else ""
    return SessionOutcome(session_id, None, has_failed=True, detail=f"{error}{hint}")


def _finished(ids: Sequence[str], act: Act) -> Iterator[SessionOutcome]:
    """Yield outcomes in the order in which they come; an interrupt waits for none of those that are still asked for."""
    waiting: SimpleQueue[str] = SimpleQueue()
    done: SimpleQueue[SessionOutcome | BaseException] = SimpleQueue()
    for session_id in ids:
        waiting.put(session_id)
    for _ in range(min(_AT_ONCE, len(ids))):
        Thread(target=_work, args=(waiting, done, act), daemon=True).start()
    with ProgressLine(sys.stderr) as line:
        for count in range(len(ids)):
            outcome = _next(done, partial(line.show, bar(count, len(ids))))
            line.show("")
            yield outcome


def _next(done: "SimpleQueue[SessionOutcome | BaseException]", wait: Callable[[], None]) -> SessionOutcome:
    while True:
        try:
            outcome = done.get(timeout=_REDRAWN_S)
        except Empty:
            wait()
            continue
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def _work(waiting: "SimpleQueue[str]", done: "SimpleQueue[SessionOutcome | BaseException]", act: Act) -> None:
    while True:
        try:
            session_id = waiting.get_nowait()
        except Empty:
            return
        try:
            done.put(act(session_id))
        except OpenwaManagerError as error:
            done.put(outcome_of_error(session_id, error))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            done.put(error)
