"""The command that runs the demo: a daemon, a simulated phone, a backend, a crash and its repair."""

import argparse

from openwa_manager.cli.command import Command, Invocation


def _demo(invocation: Invocation) -> int:
    from openwa_manager.cli.demo.scenario import run_demo

    return run_demo(invocation, once=invocation.arguments.once)


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="end after the last step; exit 1 if a step failed")


COMMANDS = (Command("demo", "see it all work, without WhatsApp", _demo, _declare),)
