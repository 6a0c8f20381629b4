"""The commands: a client of the HTTP API, plus those that run the daemon or the demo."""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from openwa_manager.cli.command import Command, Invocation, declare_all, declare_everywhere
from openwa_manager.cli.commands import config, deliveries, endpoints, events, logs, openapi, qr, serve, sessions, why
from openwa_manager.cli.commands.messaging import batch, messages, queue, quota, send, suppress
from openwa_manager.cli.demo import demo
from openwa_manager.cli.doctor import doctor
from openwa_manager.cli.errors import FAILED, INTERRUPTED, complain, exit_code_of
from openwa_manager.cli.service import service
from openwa_manager.cli.terminal import top
from openwa_manager.cli.terminal.output import Output
from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.host.streams import reopen_closed_streams


def _help(invocation: Invocation) -> None:
    _parser().parse_args([*invocation.arguments.words, "--help"])  # prints it and exits


def _declare_help(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", metavar="COMMAND", nargs="*", help="the command; none: list them all")


COMMANDS: tuple[Command, ...] = (
    *serve.COMMANDS,
    *config.COMMANDS,
    *demo.COMMANDS,
    *sessions.COMMANDS,
    *qr.COMMANDS,
    *logs.COMMANDS,
    *why.COMMANDS,
    *events.COMMANDS,
    *openapi.COMMANDS,
    *top.COMMANDS,
    *send.COMMANDS,
    *messages.COMMANDS,
    *batch.COMMANDS,
    *queue.COMMANDS,
    *quota.COMMANDS,
    *suppress.COMMANDS,
    *endpoints.COMMANDS,
    *deliveries.COMMANDS,
    *doctor.COMMANDS,
    *service.COMMANDS,
    Command("help", "say what a command does, and which options it has", _help, _declare_help),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (None: the process's own) names; return its exit code (README, Operations)."""
    reopen_closed_streams()
    try:
        return _run(argv)
    finally:
        _give_up_stderr()


def _run(argv: Sequence[str] | None) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # names are in all the world's scripts, terminals are not
    try:
        arguments = _parser().parse_args(argv)
        code = arguments.run(Invocation(arguments, os.environ, Output(sys.stdout, as_json=arguments.json))) or 0
        sys.stdout.flush()
    except OpenwaManagerError as error:
        complain(error)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="openwa-manager", description="Runs one OpenWA per WhatsApp session.")
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="print the version and exit")
    declare_everywhere(parser)
    declare_all(COMMANDS, parser, is_required=True)
    return parser
