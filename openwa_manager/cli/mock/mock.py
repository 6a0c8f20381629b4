"""The command that runs the mock, and what it is told."""

import argparse
from collections.abc import Mapping

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.errors import UsageError

PORT, KEY, SECRET = 2785, "mock-key", "mock-webhook-secret"
#: The versions of OpenWA that can be played.
VERSIONS = ("0.11", "0.23", "0.25")
_SCAN_AFTER_S = 1.0
#: Where the application says where its events go, and what they are signed with.
_URL_NAMES, _SECRET_NAMES = ("WEBHOOK_URL",), ("OPENWA_WEBHOOK_SECRET", "WEBHOOK_SECRET")


def _mock(invocation: Invocation) -> int:
    from openwa_manager.cli.mock.keeper import Keeper
    from openwa_manager.cli.mock.plan import MockPlan

    given = invocation.arguments
    url = given.webhook_url or _first(invocation.environ, _URL_NAMES)
    secret = given.webhook_secret or _first(invocation.environ, _SECRET_NAMES) or SECRET
    plan = MockPlan(
        host=given.listen,
        port=given.port,
        key=_usable(given.key),
        version=given.version,
        scan_after_s=given.scan_after,
        gap_s=given.gap,
        webhook_url=url,
        webhook_secret=secret,
        is_verbose=given.verbose,
        command=given.words,
    )
    return Keeper(plan, invocation.environ, invocation.output).run()


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)


def _usable(key: str) -> str:
    if not key or not key.isascii() or not key.isprintable() or key != key.strip():
        raise UsageError("--key: use visible ASCII characters, as a header takes them")
    return key


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 86400")
    return seconds


def _moment(text: str) -> float | None:
    return None if text == "never" else _seconds(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to 65535 (0: any that is free)")
    return int(text)


def _declare(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--port", type=_port, default=PORT, metavar="N", help=f"where it listens ({PORT}; 0: any that is free)")
    add("--listen", default="127.0.0.1", metavar="HOST", help="the address it listens at (127.0.0.1)")
    add("--key", default=KEY, metavar="K", help=f"the API key it takes, any text ({KEY})")
    add(
        "--scan-after", type=_moment, default=_SCAN_AFTER_S, metavar="S", help="seconds from code to scan (1), or never"
    )
    add("--version", choices=VERSIONS, default="0.23", metavar="V", help=f"the OpenWA it plays: {', '.join(VERSIONS)}")
    add("--gap", type=_seconds, default=0.0, metavar="S", help="seconds between two messages of a session (0)")
    add("--webhook-url", metavar="URL", help="where events go (WEBHOOK_URL)")
    add("--webhook-secret", metavar="TEXT", help=f"what they are signed with (OPENWA_WEBHOOK_SECRET, else {SECRET})")
    add("--verbose", action="store_true", help="show the daemon's log")
    command = "run this with OPENWA_BASE_URL and OPENWA_API_KEY set, and end with it; write -- before it"
    add("words", nargs="*", metavar="COMMAND", help=command)


COMMANDS = (Command("mock", "stand in for OpenWA in an application's tests", _mock, _declare),)
