"""What a command consists of, and what it gets when it runs."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from openwa_manager.cli.terminal.output import FORMS, JSON, Output
from openwa_manager.domain.errors import SessionNotFoundError

if TYPE_CHECKING:
    from openwa_manager.cli.client import Client

#: How long `start`, `stop` and `restart` wait for the outcome unless told.
WAIT_S = 30.0


class Invocation(NamedTuple):
    """One use of a command."""

    arguments: argparse.Namespace
    environ: Mapping[str, str]
    output: Output

    @property
    def client(self) -> "Client":
        """Return the way to the daemon that is meant.

        Raises:
            NotReachableError: nothing is named and no daemon is found.
        """
        from openwa_manager.cli.client import Client
        from openwa_manager.cli.discovery import find_daemon
        from openwa_manager.cli.terminal.progress import shown_while_waiting

        parser: argparse.ArgumentParser | None = getattr(self.arguments, "parser", None)
        command = parser.prog.partition(" ")[2] if parser else ""
        daemon = find_daemon(self.arguments.url, self.arguments.home, self.environ)
        return Client(daemon, while_waiting=partial(shown_while_waiting, command))

    @property
    def session_path(self) -> str:
        """Return where the session lies that the caller named; a pattern, or an id as tables shorten it, names one.

        Raises:
            SessionNotFoundError: no session can have that id; `.` or `..` must not become part of a path.
            UsageError: several are like the pattern.
        """
        word: str = self.arguments.session_id
        if not word.isascii() or not word.replace("-", "").replace("_", "").isalnum():
            from openwa_manager.cli.listing import WILD, the_one_like

            if not WILD.isdisjoint(word):
                self.arguments.session_id = the_one_like(self.client, word)
        return path_of_session(self.arguments.session_id)


def path_of_session(session_id: str) -> str:
    """Return where a session lies; raises SessionNotFoundError when no session can have that id."""
    from openwa_manager.domain.session.session import is_session_id

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
    #: All names there are, also those whose commands were not needed to understand these words.
    known: Sequence[str] = ()

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
    known: Sequence[str] = (),
) -> None:
    """Declare these commands, of which one must or may be given; `known` has the names of all, if these are not all.

    A first word that names none of them belongs to the command `otherwise`, where there is one; else it is an error.
    """
    # Given no `prog`, argparse would format a usage to find it, which imports half of the standard library.
    prog = " ".join([parser.prog, *(str(each.metavar) for each in parser._get_positional_actions())])  # noqa: SLF001
    words = parser.add_subparsers(metavar="COMMAND", required=is_required, action=_Words, prog=prog)
    if isinstance(words, _Words):
        words.known = known
        if otherwise is not None:
            words.allow_others(otherwise.name)
    for command in commands:
        below = words.add_parser(command.name, help=command.help, description=command.help)
        below.set_defaults(run=command.run, parser=below)
        command.declare(below)
        declare_everywhere(below, absent=argparse.SUPPRESS)


class _Form(argparse.Action):
    """Takes the form of the output; two that differ contradict each other."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        form, before = str(values or JSON), getattr(namespace, self.dest, None)
        if before not in (None, form):
            parser.error(f"{option_string}: the output is to be {before} already")
        setattr(namespace, self.dest, form)


def declare_everywhere(parser: argparse.ArgumentParser, absent: str | None = None) -> None:
    """Declare the options of every command, which may stand before or after its name.

    After the name, an absent option does not undo one given before it.
    """
    parser.add_argument("--home", metavar="DIR", default=absent, help="the daemon of this home")
    parser.add_argument("--url", metavar="URL", default=absent, help="the daemon there, with OPENWA_API_KEY")
    forms = "table (as on a terminal), wide (every column), json (as when piped), or ids"
    parser.add_argument(
        "-o", "--format", dest="form", metavar="FORM", choices=FORMS, action=_Form, default=absent, help=forms
    )
    parser.add_argument("--json", dest="form", nargs=0, action=_Form, default=absent, help="as -o json")


def takes_session(parser: argparse.ArgumentParser) -> None:
    """Declare the session a command is about."""
    completed_by_ids(parser.add_argument("session_id", metavar="ID", help="the session"))


def takes_wait(parser: argparse.ArgumentParser) -> None:
    """Declare how long a command waits for the outcome."""
    words = f"wait so many seconds for the outcome ({WAIT_S:g}), at most 60"
    parser.add_argument("--wait", metavar="S", type=float, help=words)


def completed_by_ids(action: argparse.Action) -> None:
    """Let the shell complete this word by the ids of sessions (argcomplete looks for the attribute)."""
    vars(action)["completer"] = _complete_ids


def _complete_ids(prefix: str, parsed_args: argparse.Namespace, **_: object) -> Sequence[str]:
    from openwa_manager.cli.help.completion import ids_beginning_with

    return ids_beginning_with(prefix, parsed_args)
