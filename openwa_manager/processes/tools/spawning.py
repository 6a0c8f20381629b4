"""Starts a program as the leader of a session of its own, confined by the kernel where that is asked for."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from openwa_manager.domain.isolation import Confinement


class Spawnable(Protocol):
    """What is started: nothing of the environment is inherited, and `confinement` None forbids nothing."""

    @property
    def argv(self) -> Sequence[str]:
        """Return the program and its arguments."""
        ...

    @property
    def env(self) -> Mapping[str, str]:
        """Return its whole environment."""
        ...

    @property
    def cwd(self) -> Path:
        """Return where it begins."""
        ...

    @property
    def confinement(self) -> Confinement | None:
        """Return what it may do."""
        ...


def spawn(what: Spawnable, output_fd: int, pass_fds: Sequence[int] = (), input_fd: int | None = None) -> int:
    """Return the pid of the program, which was started; blocks for about a millisecond.

    It reads from `input_fd` (None: nothing), and writes to `output_fd`. Whoever calls awaits its end, by the pid.

    Raises:
        OSError: it could not be started.
    """
    null_fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        start = partial(_start_program, what, (null_fd if input_fd is None else input_fd, output_fd), pass_fds)
        return start(what.argv) if what.confinement is None else _start_confined(what, what.confinement, start)
    finally:
        os.close(null_fd)


def _start_confined(what: Spawnable, confinement: Confinement, start: Callable[[Sequence[str]], int]) -> int:
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        from openwa_manager.processes.confinement import seatbelt

        return start(seatbelt.argv_of(confinement, what.argv, what.env))
    from openwa_manager.processes.confinement.linux import run_confined

    return run_confined(confinement, what.env, partial(start, what.argv))


def _start_program(what: Spawnable, fds: tuple[int, int], pass_fds: Sequence[int], argv: Sequence[str]) -> int:
    """Start it; `fds`, its input and its output, are open already, since a confined thread opens little."""
    input_fd, output_fd = fds
    process = subprocess.Popen(  # noqa: S603 (a list that a recipe or a step makes)
        list(argv),
        cwd=what.cwd,
        env=dict(what.env),
        stdin=input_fd,
        stdout=output_fd,
        stderr=output_fd,
        pass_fds=tuple(pass_fds),
        start_new_session=True,
        umask=0o077,
    )
    # The exit watcher reaps it. With a return code Popen neither waits for it nor warns that it runs.
    process.returncode = 0
    return process.pid
