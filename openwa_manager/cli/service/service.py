"""The command that makes the daemon a service of this host, or ends that."""

import argparse
import os
import sys
from pathlib import Path

from openwa_manager.cli.command import Command, Invocation


def _service(invocation: Invocation) -> int | None:
    from openwa_manager.cli.service.definitions import program_here
    from openwa_manager.cli.service.installation import ServiceSite, run_service

    site = ServiceSite(
        is_mac=sys.platform == "darwin",
        uid=os.geteuid(),
        program=program_here(),
        interpreter=Path(sys.executable).resolve(),
    )
    return run_service(invocation, site)


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=("install", "uninstall", "status"), help="uninstall ends the engines first")
    parser.add_argument("--user", action="store_true", help="a service of your own, instead of the whole host's")
    parser.add_argument("--run-as", metavar="NAME", help="the user it runs as (openwa; on macOS _openwa)")
    parser.add_argument("--dry-run", action="store_true", help="only print the files and commands")


COMMANDS = (Command("service", "start the daemon at boot and keep it alive: systemd, launchd", _service, _declare),)
