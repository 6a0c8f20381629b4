"""A terminal of a fixed size in which a command runs, and what a person sees there."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import NamedTuple, Self

import pyte

from tests.fakes.process import ending

_LEAVES_SECOND_SCREEN = b"\x1b[?1049l"
#: Long enough for a machine that does something else as well.
_PATIENCE_S = 60.0


class Size(NamedTuple):
    """How large a window is, in characters."""

    columns: int
    lines: int


SMALL, LARGE = Size(80, 24), Size(120, 40)
#: So high that nothing scrolls away: for what is longer than a window.
LONG = Size(80, 400)


class Window:
    """One command in a terminal; `lines` is what is seen now, `code` what it has ended with."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], size: Size = SMALL) -> None:
        self._screen = pyte.Screen(size.columns, size.lines)
        self._stream = pyte.ByteStream(self._screen)
        self._argv, self._environ, self._size = argv, environ, size
        self._ours = -1
        self.raw = bytearray()

    def __enter__(self) -> Self:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", self._size.lines, self._size.columns, 0, 0))
        self._process = subprocess.Popen(
            self._argv, stdin=theirs, stdout=theirs, stderr=theirs, env=self._environ, start_new_session=True
        )
        os.close(theirs)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ending(self._process):
            os.close(self._ours)

    @property
    def lines(self) -> list[str]:
        """Return what is seen, without empty lines at the end."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip().splitlines()

    @property
    def text(self) -> str:
        """Return what is seen."""
        return "\n".join(self.lines)

    def color_of(self, word: str) -> str:
        """Return the color in which the first place of a word is seen."""
        for row, line in enumerate(self._screen.display):
            if word in line:
                return str(self._screen.buffer[row][line.index(word)].fg)
        raise AssertionError(f"{word} is not on the screen:\n{self.text}")

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C: the window is not the one that the system knows as the command's own."""
        self._process.send_signal(signal.SIGINT)

    def until(self, is_seen: Callable[[str], bool]) -> str:
        """Return what is seen once it is so."""
        give_up_s = time.monotonic() + _PATIENCE_S
        while not is_seen(self.text):
            assert time.monotonic() < give_up_s, self.text
            assert self._read(), f"it has ended: {self.text}"
        return self.text

    def ended(self) -> int:
        """Return the exit code once the command has ended."""
        give_up_s = time.monotonic() + _PATIENCE_S
        while self._read():
            assert time.monotonic() < give_up_s, self.text
        return self._process.wait(_PATIENCE_S)

    def _read(self) -> bool:
        """Take in what is drawn; return whether more may come."""
        readable, _, _ = select.select([self._ours], [], [], 0.2)
        if not readable:
            return True
        try:
            drawn = os.read(self._ours, 65536)
        except OSError:  # Linux says so when the other side is closed, macOS sends an empty read
            return False
        self.raw += drawn
        on_second_screen, left, after = drawn.partition(_LEAVES_SECOND_SCREEN)
        if left:  # pyte has one screen only, so what was on the first is gone; our commands use the second one first
            self._screen.reset()
        self._stream.feed(after if left else on_second_screen)
        return bool(drawn)


@contextmanager
def opened(words: Sequence[str], environ: Mapping[str, str], size: Size = SMALL) -> Iterator[Window]:
    """Run a command of ours in a window."""
    kept = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", "TZ": "UTC"}
    with Window((sys.executable, "-m", "openwa_manager", *words), {**kept, **environ}, size) as window:
        yield window
