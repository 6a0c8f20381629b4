"""What a command consists of, and what it gets when it runs."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from openwa_manager.cli.client import Client
from openwa_manager.cli.discovery import find_daemon
from openwa_manager.cli.terminal.output import Output
from openwa_manager.domain.errors import SessionNotFoundError

#: How long `start`, `stop` and `restart` wait for the outcome unless told.
WAIT_S = 30.0


class Invocation(NamedTuple):
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
        from openwa_manager.domain.session.session import is_session_id

        session_id: str = self.arguments.session_id
        if not is_session_id(session_id):
            raise SessionNotFoundError(f"there is no session {session_id!r}: ids are made of a-z, 0-9, - and _")
        return f"/v1/sessions/{session_id}"


class Command(NamedTuple):
    """One word of the command line; `run` returns the exit code, None for 0."""

    name: str
    help: str
    run: Callable[[Invocation], int | None]
    declare: Callable[[argparse.ArgumentParser], None] = lambda _: None


class _AnyWord(dict[str, argparse.ArgumentParser]):
    """Choices that refuse nothing: argparse looks at them before the action sees the word."""

    def __contains__(self, word: object) -> bool:
        return True


class _Words(argparse._SubParsersAction):  # type: ignore[type-arg]  # noqa: SLF001 - argparse names no other
    """The names of commands; another first word belongs to the command `otherwise` (None: it is an error)."""

    otherwise: str | None = None

    def allow_others(self, otherwise: str) -> None:
        self.otherwise, self.choices = otherwise, _AnyWord()

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        words = [str(value) for value in values or ()]
        if self.otherwise is not None and words[0] not in self._name_parser_map:
            words.insert(0, self.otherwise)
        super().__call__(parser, namespace, words, option_string)


def declare_all(
    commands: Iterable[Command],
    parser: argparse.ArgumentParser,
    *,
    is_required: bool,
    otherwise: Command | None = None,
) -> None:
    """Declare these commands, of which one must or may be given.

    A first word that names none of them belongs to the command `otherwise`, where there is one; else it is an error.
    """
    words = parser.add_subparsers(metavar="COMMAND", required=is_required, action=_Words)
    if otherwise is not None and isinstance(words, _Words):
        words.allow_others(otherwise.name)
    for command in commands:
        below = words.add_parser(command.name, help=command.help, description=command.help)
        below.set_defaults(run=command.run)
        command.declare(below)
        declare_everywhere(below, absent=argparse.SUPPRESS)


def declare_everywhere(parser: argparse.ArgumentParser, absent: str | None = None) -> None:
    """Declare the options of every command, which may stand before or after its name.

    After the name, an absent option does not undo one given before it.
    """
    parser.add_argument("--home", metavar="DIR", default=absent, help="the daemon of this home")
    parser.add_argument("--url", metavar="URL", default=absent, help="the daemon there, with OPENWA_API_KEY")
    parser.add_argument("--json", action="store_true", default=absent or False, help="JSON also on a terminal")


def takes_session(parser: argparse.ArgumentParser) -> None:
    """Declare the session a command is about."""
    parser.add_argument("session_id", metavar="ID", help="the session")


def takes_wait(parser: argparse.ArgumentParser) -> None:
    """Declare how long a command waits for the outcome."""
    parser.add_argument(
        "--wait", metavar="S", type=float, default=WAIT_S, help="wait so many seconds for the outcome (%(default)g)"
    )
