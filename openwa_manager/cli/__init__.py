"""The commands: a client of the HTTP API, plus those that are the daemon or play it."""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from openwa_manager.cli import demo, doctor, serve, service, sessions, watching
from openwa_manager.cli.command import Call, Command
from openwa_manager.cli.errors import FAILED, INTERRUPTED, exit_code_of
from openwa_manager.cli.output import Output
from openwa_manager.domain.errors import OpenwaManagerError

COMMANDS: tuple[Command, ...] = (
    *serve.COMMANDS,
    *demo.COMMANDS,
    *sessions.COMMANDS,
    *watching.COMMANDS,
    *doctor.COMMANDS,
    *service.COMMANDS,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (None: the process's own) names; return its exit code (API.md, CLI)."""
    arguments = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # names are in all the world's scripts, terminals are not
    output = Output(sys.stdout, as_json=arguments.json)
    try:
        return arguments.run(Call(arguments, os.environ, output)) or 0
    except OpenwaManagerError as error:
        print(f"openwa-manager: {error}", file=sys.stderr)
        return exit_code_of(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough; Python would complain once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="openwa-manager", description="Runs one OpenWA per WhatsApp session.")
    _declare_everywhere(parser)
    words = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        below = words.add_parser(command.name, help=command.help, description=command.help)
        command.declare(below)
        _declare_everywhere(below, absent=argparse.SUPPRESS)
        below.set_defaults(run=command.run)
    return parser


def _declare_everywhere(parser: argparse.ArgumentParser, absent: str | None = None) -> None:
    """Declare what may stand before or behind the command; behind it, what is absent does not undo what was before."""
    parser.add_argument("--home", metavar="DIR", default=absent, help="the daemon of this home")
    parser.add_argument("--url", metavar="URL", default=absent, help="the daemon there, with OPENWA_API_KEY")
    parser.add_argument("--json", action="store_true", default=absent or False, help="JSON also on a terminal")
