"""What a command is: its words, its arguments, what it does; and what it is given when it runs."""

import argparse
from collections.abc import Callable, Mapping
from typing import NamedTuple

from openwa_manager.cli.client import Client
from openwa_manager.cli.discovery import find_daemon
from openwa_manager.cli.output import Output
from openwa_manager.domain.errors import SessionNotFoundError

#: How long `start`, `stop` and `restart` wait for the outcome unless told.
WAIT_S = 30.0


class Call(NamedTuple):
    """One use of a command."""

    arguments: argparse.Namespace
    environ: Mapping[str, str]
    output: Output

    @property
    def client(self) -> Client:
        """Return the way to the daemon that is meant.

        Raises:
            NotReachableError: nothing is named and no daemon is found.
        """
        return Client(find_daemon(self.arguments.url, self.arguments.home, self.environ))

    @property
    def session_path(self) -> str:
        """Return where the session lies that the caller named.

        Raises:
            SessionNotFoundError: no session can have that id; `.` or `..` must not become part of a path.
        """
        from openwa_manager.domain.session import is_session_id

        session_id: str = self.arguments.session_id
        if not is_session_id(session_id):
            raise SessionNotFoundError(f"there is no session {session_id!r}: ids are made of a-z, 0-9, - and _")
        return f"/v1/sessions/{session_id}"


class Command(NamedTuple):
    """One word of the command line; `run` returns the exit code, None for 0."""

    name: str
    help: str
    run: Callable[[Call], int | None]
    declare: Callable[[argparse.ArgumentParser], None] = lambda _: None


def takes_session(parser: argparse.ArgumentParser) -> None:
    """Declare the session a command is about."""
    parser.add_argument("session_id", metavar="ID", help="the session")


def takes_wait(parser: argparse.ArgumentParser) -> None:
    """Declare how long a command waits for the outcome."""
    parser.add_argument(
        "--wait", metavar="S", type=float, default=WAIT_S, help="wait so many seconds for the outcome (%(default)g)"
    )
