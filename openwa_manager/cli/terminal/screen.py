"""A window that is drawn over and over in place, on the terminal's second screen."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_OTHER_SCREEN, _FORMER_SCREEN = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


@contextmanager
def second_screen() -> Iterator[None]:
    """Use the terminal's second screen while the body runs; then the first one is as it was."""
    sys.stdout.write(_OTHER_SCREEN)
    try:
        yield
    finally:
        sys.stdout.write(_FORMER_SCREEN)
        sys.stdout.flush()


def paint(lines: Sequence[str]) -> None:
    """Draw over the last picture, so that nothing flickers; the lines must fit the window."""
    text = "\n".join(f"{line}{_CLEAR_LINE}" for line in lines)
    sys.stdout.write(f"{_HOME}{text}{_CLEAR_BELOW}")
    sys.stdout.flush()
