"""The commands that link a phone by other ways than a picture: a code to type in, and a page for somebody elsewhere."""

import argparse
from typing import TypedDict, cast

from openwa_manager.cli.command import Command, Invocation, takes_session
from openwa_manager.cli.terminal.output import cell, moment
from openwa_manager.cli.terminal.texts import wrapped


class _Code(TypedDict):
    pairing_code: str
    expires_at: str | None


class _Link(TypedDict):
    url: str
    expires_at: str


def _pairing_code(invocation: Invocation) -> None:
    body = {"phone_number": invocation.arguments.phone_number}
    answer = invocation.client.post(f"{invocation.session_path}/pairing-code", body=body)
    code = cast("_Code", answer)
    until = f", valid until {moment(code['expires_at'])}" if code["expires_at"] else ""
    how = "on that phone: WhatsApp > Linked devices > Link a device > Link with phone number instead"
    said = f"{cell(code['pairing_code'])}{until}\n{how}"
    invocation.output.show(answer, lambda: wrapped(said, invocation.output.width))


def _declare_pairing_code(parser: argparse.ArgumentParser) -> None:
    takes_session(parser)
    parser.add_argument("phone_number", metavar="NUMBER", help="of the phone to be linked, as +85212345678")


def _pairing_link(invocation: Invocation) -> None:
    given = invocation.arguments
    wanted = {"ttl_s": given.ttl, "phone_number": given.phone}
    body = {name: value for name, value in wanted.items() if value is not None}
    answer = invocation.client.post(f"{invocation.session_path}/pairing-links", body=body)
    link = cast("_Link", answer)
    hint = f"until {moment(link['expires_at'])}, for one browser: whoever presses its button first may link it"
    invocation.output.show(answer, lambda: wrapped(f"{cell(link['url'])}\n{hint}", invocation.output.width))


def _declare_pairing_link(parser: argparse.ArgumentParser) -> None:
    takes_session(parser)
    parser.add_argument("--ttl", metavar="S", type=float, help="let it hold for so many seconds, at most 900 (600)")
    parser.add_argument("--phone", metavar="NUMBER", help="let no other number be linked by it")


COMMANDS = (
    Command("pairing-code", "get a code to type into a phone instead of a scan", _pairing_code, _declare_pairing_code),
    Command("pairing-link", "make a link for linking a session without a key", _pairing_link, _declare_pairing_link),
)
