"""The command that runs the daemon, and the flags for its settings."""

import argparse
from typing import TYPE_CHECKING

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.errors import complain
from openwa_manager.domain.errors import ConfigError

if TYPE_CHECKING:
    from openwa_manager.config import Loaded

#: The settings that have a flag, and what it takes; all others are set by environment or file.
_FLAGS = {
    "listen": ("HOST:PORT", "where the HTTP API listens"),
    "intake_listen": ("HOST:PORT", "where the engines post to"),
    "engine": ("NAME", "what serves new sessions: openwa, simulator or command"),
    "engine_ports": ("FIRST-LAST", "the engines' ports"),
    "openwa_home": ("DIR", "the built OpenWA"),
    "upstream_url": ("URL", "where events are sent"),
    "tls_cert": ("FILE", "the certificate of the HTTP API"),
    "tls_key": ("FILE", "its key"),
    "log_level": ("LEVEL", "debug, info, warning or error"),
    "log_format": ("FORM", "console or json"),
}


def _serve(invocation: Invocation) -> int:
    from openwa_manager.cli.service.relaunch import wait_for_person
    from openwa_manager.host.heap import without_collection

    with without_collection():
        from openwa_manager.daemon import NEEDS_PERSON
    from openwa_manager.host.notify import is_launchd_job

    code = _run(invocation)
    if code == NEEDS_PERSON and is_launchd_job(invocation.environ):
        wait_for_person()
    return code


def _run(invocation: Invocation) -> int:
    from openwa_manager.daemon import exit_code_of, run

    try:
        settings = load_settings(invocation).settings
    except ConfigError as error:
        complain(error)
        return exit_code_of([error])
    return run(settings)


def load_settings(invocation: Invocation) -> "Loaded":
    """Return the settings that the flags, the environment and the file give.

    Raises:
        ConfigError: they cannot be used.
    """
    from openwa_manager.config import load

    given = vars(invocation.arguments)
    flags = {name: given[name] for name in ("home", "behind_proxy", *_FLAGS)}
    return load(flags, invocation.environ)


def declare_settings(parser: argparse.ArgumentParser) -> None:
    """Declare a flag for each setting that has one."""
    for name, (metavar, explanation) in _FLAGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=explanation)
    parser.add_argument(
        "--behind-proxy", action="store_true", default=None, help="a proxy in front speaks TLS, so listen anywhere"
    )


COMMANDS = (Command("serve", "run the daemon in the foreground", _serve, declare_settings),)
