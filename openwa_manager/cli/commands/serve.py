"""The commands that are the daemon, or look at its settings without starting it."""

import argparse
from typing import TYPE_CHECKING

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.terminal.output import table

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
    from openwa_manager.daemon import run

    return run(_load(invocation).settings)


def _check(invocation: Invocation) -> None:
    from openwa_manager.config import masked

    loaded = _load(invocation)
    shown = masked(loaded.settings)
    rows = [(name, value, loaded.origin(name)) for name, value in shown.items()]
    document = {name: {"value": value, "source": loaded.origin(name)} for name, value in shown.items()}
    invocation.output.show(document, lambda: table(("SETTING", "VALUE", "SOURCE"), rows))


def _load(invocation: Invocation) -> "Loaded":
    from openwa_manager.config import load

    given = vars(invocation.arguments)
    flags = {name: given[name] for name in ("home", "behind_proxy", *_FLAGS)}
    return load(flags, invocation.environ)


def _declare_settings(parser: argparse.ArgumentParser) -> None:
    for name, (metavar, explanation) in _FLAGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=explanation)
    parser.add_argument(
        "--behind-proxy", action="store_true", default=None, help="a proxy in front speaks TLS, so listen anywhere"
    )


def _declare_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=("check",), help="print the settings in effect and where each comes from")
    _declare_settings(parser)


COMMANDS = (
    Command("serve", "run the daemon in the foreground", _serve, _declare_settings),
    Command("config", "look at the settings", _check, _declare_config),
)
