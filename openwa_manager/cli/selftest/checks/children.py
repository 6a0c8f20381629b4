"""Starts the programs that are looked at; each waits for the end of its input, and is ended."""

import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

#: Python as the daemon runs, which waits for the end of its input.
WAITING_PYTHON = (sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()")
#: How long something that happens by itself is waited for.
WITHIN_S = 3.0
_LOOK_AGAIN_S = 0.001


@contextmanager
def running(
    argv: Sequence[str], *, environ: Mapping[str, str] | None = None, handed_on: Collection[int] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the body runs; its input ends when the body closes it. What it prints can be read."""
    child = subprocess.Popen(  # noqa: S603 (our own argv)
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ,
        pass_fds=tuple(handed_on),
    )
    with ExitStack() as ended:
        ended.callback(child.wait, WITHIN_S)
        ended.callback(child.kill)
        ended.callback(close_output, child)
        ended.callback(end_input, child)
        yield child


def end_input(child: subprocess.Popen[bytes]) -> None:
    """Let a program see the end of its input; once more does nothing."""
    if child.stdin is not None:
        child.stdin.close()


def close_output(child: subprocess.Popen[bytes]) -> None:
    """Read nothing of it any more."""
    if child.stdout is not None:
        child.stdout.close()


def read_line(child: subprocess.Popen[bytes]) -> str:
    """Return the next line it prints; empty when it has ended."""
    return "" if child.stdout is None else child.stdout.readline().decode().strip()


def until(is_so: Callable[[], bool], within_s: float = WITHIN_S) -> bool:
    """Return once it is so, True; or False once it has taken too long."""
    deadline_s = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_LOOK_AGAIN_S)
    return True
