"""The whole story in one command: a daemon, a simulated phone, a backend, a crash that heals."""

import argparse

from openwa_manager.cli.command import Command, Invocation


def _demo(invocation: Invocation) -> int:
    from openwa_manager.cli.demo.scenario import tell

    return tell(invocation, once=invocation.arguments.once)


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="end after the story; exit 1 if it did not go as told")


COMMANDS = (Command("demo", "see it all work, without WhatsApp", _demo, _declare),)
