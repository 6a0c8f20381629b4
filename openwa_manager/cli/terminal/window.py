"""How large the window is in which a person reads."""

import os
import sys
from typing import Final, TextIO

_USUAL: Final = os.terminal_size((80, 24))


def terminal_size() -> os.terminal_size:
    """Return how large the window is, as COLUMNS and LINES say or standard output's terminal; 80x24 where neither does.

    It is what `shutil` answers, but that takes a twentieth of a command's time to import.
    """
    said = [_size_in(os.environ.get(name, "")) for name in ("COLUMNS", "LINES")]
    seen = _USUAL if all(said) else _seen_size()
    return os.terminal_size(each or shown or usual for each, shown, usual in zip(said, seen, _USUAL, strict=True))


def _size_in(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0


def _seen_size() -> os.terminal_size:
    try:
        return _USUAL if sys.__stdout__ is None else os.get_terminal_size(sys.__stdout__.fileno())
    except (ValueError, OSError):  # it is closed, or no terminal
        return _USUAL


def window_width(stream: TextIO) -> int | None:
    """Return how many columns the terminal has that a stream goes to; None: it is none."""
    return terminal_size().columns if stream.isatty() else None
