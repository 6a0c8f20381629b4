"""The whole story in one command."""

from openwa_manager.cli.command import Command

COMMANDS: tuple[Command, ...] = ()
