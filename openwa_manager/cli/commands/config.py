"""The command that shows the settings in effect without starting the daemon."""

import argparse

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.commands.serve import declare_settings, load_settings
from openwa_manager.cli.terminal.output import table


def _check(invocation: Invocation) -> None:
    from openwa_manager.config import masked

    loaded = load_settings(invocation)
    shown = masked(loaded.settings)
    rows = [(name, value, loaded.origin(name)) for name, value in shown.items()]
    document = {name: {"value": value, "source": loaded.origin(name)} for name, value in shown.items()}
    invocation.output.show(document, lambda: table(("SETTING", "VALUE", "SOURCE"), rows))


def _declare_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=("check",), help="print the settings in effect and where each comes from")
    declare_settings(parser)


COMMANDS = (Command("config", "look at the settings", _check, _declare_config),)
