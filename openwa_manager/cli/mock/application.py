"""The application's own tests, run by the mock: they find it in their environment, and it ends with them."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from openwa_manager.cli.errors import CommandFailedError

#: How long they may take to end when the mock is asked to.
_END_S = 5.0
#: As shells tell that a signal ended a program.
_SIGNALLED = 128


class Application:
    """A command that runs from `start` on; until then, and where there is none, it has not ended."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = argv
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_wanted(self) -> bool:
        """Tell whether there is a command at all."""
        return bool(self._argv)

    def start(self, environ: Mapping[str, str]) -> None:
        """Begin to run it.

        Raises:
            CommandFailedError: the system cannot.
        """
        signal.signal(signal.SIGCHLD, lambda *_: None)  # so that its end wakes whoever waits
        try:
            self._process = subprocess.Popen(self._argv, env={**os.environ, **environ})  # noqa: S603 - the caller's own
        except OSError as error:
            raise CommandFailedError(f"{self._argv[0]} cannot be run: {error.strerror}") from error

    @property
    def code(self) -> int | None:
        """Return what it ended with; None while it has not."""
        code = None if self._process is None else self._process.poll()
        return _SIGNALLED - code if code is not None and code < 0 else code

    def end(self) -> None:
        """End it, if it still runs."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        self._process.kill()
        self._process.wait(_END_S)
