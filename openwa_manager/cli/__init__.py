"""The commands: a client of the HTTP API, plus those that run the daemon or the demo."""

import argparse
import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from openwa_manager.cli.command import Command, Invocation, declare_all, declare_everywhere
from openwa_manager.cli.errors import FAILED, INTERRUPTED, NoSuchThingError, complain, exit_code_of
from openwa_manager.cli.parsing import PROGRAM, Parser
from openwa_manager.cli.terminal.output import Output
from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.host.streams import reopen_closed_streams

if TYPE_CHECKING:
    from types import ModuleType

#: The commands of each module, in the order in which help lists them. A command imports its own module only: to import
#: them all takes longer than most commands do.
MODULES: Mapping[str, tuple[str, ...]] = {
    "commands.serve": ("serve",),
    "commands.config": ("config",),
    "demo.demo": ("demo",),
    "mock.mock": ("mock",),
    "commands.sessions": ("create", "list"),
    "commands.changes.showing": ("show",),
    "commands.changes.changes": ("start", "stop", "restart", "logout", "delete"),
    "commands.qr": ("qr",),
    "commands.access.pairing": ("pairing-code", "pairing-link"),
    "commands.logs": ("logs",),
    "commands.why": ("why",),
    "commands.events": ("events",),
    "commands.openapi": ("openapi",),
    "terminal.top": ("top",),
    "commands.messaging.send": ("send",),
    "commands.messaging.messages": ("messages",),
    "commands.messaging.batch": ("batch",),
    "commands.messaging.queue": ("queue",),
    "commands.messaging.quota": ("quota",),
    "commands.messaging.suppress": ("suppress",),
    "commands.access.keys": ("keys",),
    "commands.endpoints": ("endpoints",),
    "commands.deliveries": ("deliveries",),
    "commands.access.audit": ("audit",),
    "commands.engine.engine": ("engine",),
    "doctor.doctor": ("doctor",),
    "diagnose.diagnose": ("diagnose",),
    "service.service": ("service",),
    "help.help": ("help", "completion"),
}
NAMES = tuple(name for names in MODULES.values() for name in names)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (None: the process's own) names; return its exit code."""
    reopen_closed_streams()
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    finally:
        _give_up_stderr()


def _run(argv: Sequence[str]) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # names are in all the world's scripts, terminals are not
    arguments: argparse.Namespace | None = None
    try:
        parser = parser_for(argv)
        if "_ARGCOMPLETE" in os.environ:
            from openwa_manager.cli.help.completion import complete

            complete(parser)
        arguments = parser.parse_args(argv)
        code = arguments.run(Invocation(arguments, os.environ, Output(sys.stdout, arguments.form, os.environ))) or 0
        sys.stdout.flush()
    except OpenwaManagerError as error:
        complain(f"{error}{_nearest_id(arguments, error)}")
        return exit_code_of(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # then the reader has seen enough
            complain(error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would complain once more at exit
        return FAILED
    else:
        return code


def _nearest_id(arguments: argparse.Namespace | None, error: OpenwaManagerError) -> str:
    """Return the session that may have been meant, where the one that was named is not there."""
    if arguments is None or not isinstance(error, NoSuchThingError):
        return ""
    from openwa_manager.cli.help.completion import nearest_session

    return nearest_session(arguments, os.environ)


def _give_up_stderr() -> None:
    """Drop what cannot be written there, as on a full disk: at exit Python would fail on it, and end with 120."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class _ShowVersion(argparse.Action):
    """Prints the installed version and exits; looked up only then, since that takes longer than most commands."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"openwa-manager {version('openwa-manager')}")
        parser.exit()


class _ShowHelp(argparse.Action):
    """Prints the commands by what they are for, and exits."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from openwa_manager.cli.help.overview import overview

        print(overview(all_commands()))
        parser.exit()


def parser_for(argv: Sequence[str]) -> Parser:
    """Return the parser of the commands that these words may name; of all, where they name none."""
    modules = [module for module, names in MODULES.items() if not set(names).isdisjoint(argv)]
    return _parser(_commands_of(modules or MODULES))


def all_commands() -> list[Command]:
    """Return every command, in the order in which help lists them."""
    return _commands_of(MODULES)


def _commands_of(modules: Mapping[str, tuple[str, ...]] | Sequence[str]) -> list[Command]:
    from importlib import import_module

    found: list[ModuleType] = [import_module(f"openwa_manager.cli.{module}") for module in modules]
    return [command for module in found for command in module.COMMANDS]


def _parser(commands: Sequence[Command]) -> Parser:
    parser = Parser(prog=PROGRAM, description="Runs one OpenWA per WhatsApp session.", add_help=False)
    parser.add_argument("-h", "--help", action=_ShowHelp, nargs=0, help="list the commands and exit")
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="print the version and exit")
    declare_everywhere(parser)
    declare_all(commands, parser, is_required=True, known=NAMES)
    return parser
