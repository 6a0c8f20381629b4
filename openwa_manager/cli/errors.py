"""What can go wrong between a command and the daemon, and the exit code of each."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from openwa_manager.domain.errors import OpenwaManagerError, SessionNotFoundError
from openwa_manager.domain.printable import printable
from openwa_manager.domain.urls import without_password

#: Anything refused or failed; argparse exits with 2 on its own.
FAILED: Final = 1
INTERRUPTED: Final = 128 + 2  # as a shell reports a program ended by SIGINT
MISUSED: Final = 2
_NOT_FOUND: Final = 3
_NOT_REACHABLE: Final = 5

#: What each exit code of a command tells.
EXIT_CODES: Final[Mapping[int, str]] = {
    0: "Done.",
    FAILED: "Refused, or failed; the message says why.",
    MISUSED: "The words of the command line are not understood; nothing was asked of the daemon.",
    _NOT_FOUND: "There is no such session, message, key …, or the key may not know of it.",
    _NOT_REACHABLE: "No daemon answers; the message names what was tried.",
    INTERRUPTED: "Ctrl-C ended it.",
}

#: Added to a complaint about a session that is not there.
LISTS_SESSIONS: Final = "; openwa-manager list shows them"


class CommandFailedError(OpenwaManagerError):
    """The daemon refused or failed; the message is its own explanation."""

    code = "refused"


class NoSuchThingError(SessionNotFoundError):
    """The daemon knows nothing of that name, or does not say that it does."""


class NotReachableError(OpenwaManagerError):
    """No daemon answered; the message names what was tried."""

    code = "not_reachable"


class UsageError(OpenwaManagerError):
    """The words of the command line do not fit together; nothing was asked of the daemon."""

    code = "usage"


_EXIT_CODES: Mapping[type[OpenwaManagerError], int] = {
    UsageError: MISUSED,
    SessionNotFoundError: _NOT_FOUND,
    NotReachableError: _NOT_REACHABLE,
}


def exit_code_of(error: OpenwaManagerError) -> int:
    """Return what the command exits with."""
    return next((code for kind, code in _EXIT_CODES.items() if isinstance(error, kind)), FAILED)


def complain(error: Exception | str) -> None:
    """Say what went wrong; the words may be a stranger's, and hold the password of a URL."""
    with suppress(OSError):  # the exit code still tells
        text = f"openwa-manager: {printable(without_password(str(error)), keeps_lines=True)}"
        print(_in_lines(text) if sys.stderr.isatty() else text, file=sys.stderr)


def _in_lines(text: str) -> str:
    """Return a text that breaks between words on a terminal."""
    from openwa_manager.cli.terminal.texts import wrapped
    from openwa_manager.cli.terminal.window import terminal_size

    return wrapped(text, terminal_size().columns)
