"""How large the window is in which a person reads."""

import os
from typing import TextIO


def terminal_size() -> os.terminal_size:
    """Return how large the window is; 80x24 where nothing tells."""
    import shutil

    return shutil.get_terminal_size()


def window_width(stream: TextIO) -> int | None:
    """Return how many columns the terminal has that a stream goes to; None: it is none."""
    return terminal_size().columns if stream.isatty() else None
