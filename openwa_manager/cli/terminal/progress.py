"""A line that is drawn over and over while a command waits; nothing where nobody would see it."""

import shutil
from types import TracebackType
from typing import Self, TextIO

from openwa_manager.cli.terminal.output import cell

_START, _CLEAR_LINE = "\r", "\x1b[K"
_BAR_WIDTH = 24


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
            width = shutil.get_terminal_size().columns - 1
            line = cell(text)[:width] if text else ""
            print(f"{_START}{line}{_CLEAR_LINE}", end="", file=self._stream, flush=True)


def bar(done_count: int, total_count: int) -> str:
    """Return how far something is, as a bar, as counts and as a share."""
    share = done_count / total_count if total_count else 1.0
    filled = "#" * int(share * _BAR_WIDTH)
    return f"[{filled.ljust(_BAR_WIDTH, '-')}] {done_count:,} of {total_count:,} ({int(share * 100)} %)"
