"""The standard streams, which whoever starts us may have closed."""

import os
import sys
from pathlib import Path


def reopen_closed_streams() -> None:
    """Open `/dev/null` in the place of standard streams that are closed; call it before any file is opened.

    The next file that is opened gets the lowest free number: it would be the standard output of all that we start.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # not inherited by what we start, which gets its own
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 (for as long as we run)
