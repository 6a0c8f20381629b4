"""A line that is drawn over and over while a command waits; nothing where nobody would see it."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from openwa_manager.cli.terminal.texts import cell, shortened
from openwa_manager.cli.terminal.window import terminal_size

if TYPE_CHECKING:
    from threading import Event

_START, _CLEAR_LINE = "\r", "\x1b[K"
_BAR_WIDTH = 24
#: What takes no longer needs no explanation.
_SILENT_S, _EVERY_S = 2.0, 1.0


class ProgressLine:
    """Shows a line on a terminal, and takes it away at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_seen = stream.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.show("")

    def show(self, text: str) -> None:
        """Draw a text in place of the one before; what does not fit is left out."""
        if self._is_seen:
            line = shortened(cell(text), terminal_size().columns - 1) if text else ""
            print(f"{_START}{line}{_CLEAR_LINE}", end="", file=self._stream, flush=True)


def bar(done_count: int, total_count: int) -> str:
    """Return how far something is, as a bar, as counts and as a share."""
    share = done_count / total_count if total_count else 1.0
    filled = "#" * int(share * _BAR_WIDTH)
    return f"[{filled.ljust(_BAR_WIDTH, '-')}] {done_count:,} of {total_count:,} ({int(share * 100)} %)"


@contextmanager
def shown_while_waiting(command: str) -> Iterator[None]:
    """Say on a terminal that the daemon has not answered yet, and for how long, once that takes over 2 s."""
    if not sys.stderr.isatty():
        yield
        return
    from threading import Event, Thread

    is_over = Event()
    thread = Thread(target=_count, args=(command, is_over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _count(command: str, is_over: "Event") -> None:
    began_s = time.monotonic()
    if is_over.wait(_SILENT_S):
        return
    with ProgressLine(sys.stderr) as line:
        while True:
            line.show(f"{command}: working, {time.monotonic() - began_s:.0f} s")
            if is_over.wait(_EVERY_S):
                return
