"""The command that shows a session's code: drawn in the terminal, as JSON, or in a file."""

import argparse
import base64
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from openwa_manager.cli.command import Command, Invocation, takes_session
from openwa_manager.cli.commands.linking import LinkedSession, Qr, drawn_code, follow_codes, too_small
from openwa_manager.cli.errors import FAILED, CommandFailedError, UsageError, complain
from openwa_manager.cli.terminal.output import IDS
from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.host.files import write_file

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_WAIT_S = 30.0
#: In these a session shows codes again once somebody starts it.
_STARTABLE = ("stopped", "failed", "logged_out")


def _qr(invocation: Invocation) -> int | None:
    given = invocation.arguments
    if invocation.output.form == IDS and not given.output:
        raise UsageError("a code has no id: -o table or -o json shows it")
    if given.follow:
        if given.output or given.wait is not None:
            raise UsageError("-f shows each code as it comes, however long it takes: no --output, no --wait")
        return said_link(invocation, follow_codes(invocation, given.session_id, None))
    wait_s = _WAIT_S if given.wait is None else given.wait
    path = invocation.session_path
    try:
        answer = invocation.client.get(f"{path}/qr", {"wait": wait_s, "format": "json"})
    except CommandFailedError as error:
        hint = ""
        with suppress(OpenwaManagerError):  # what was refused is said in any case
            hint = _way_on(cast("LinkedSession", invocation.client.get(path)))
        raise CommandFailedError(f"{error}{hint}") from error
    if answer is None:
        raise CommandFailedError(f"{given.session_id} shows no code yet: try again, or ask `openwa-manager why`")
    if given.output:
        _write_image(given.output, cast("Qr", answer)["qr_base64"])
    else:
        _show(invocation, answer)
    return None


def _show(invocation: Invocation, answer: "Json") -> None:
    lines: list[str] = []

    def draw() -> str:
        lines[:] = drawn_code(cast("Qr", answer)).splitlines()
        return "\n".join(lines)

    invocation.output.show(answer, draw)
    if lines and invocation.output.is_terminal and (trouble := too_small(lines)):
        print("\n".join(trouble), file=sys.stderr)


def _way_on(session: LinkedSession) -> str:
    return f"; openwa-manager start {session['session_id']}" if session["status"] in _STARTABLE else ""


def said_link(invocation: Invocation, session: LinkedSession, within_s: float | None = None) -> int | None:
    """Say how waiting for a link has ended, which took at most `within_s`; return the exit code."""
    session_id, status = session["session_id"], session["status"]
    if status == "connected":
        if invocation.output.is_for_people:
            invocation.output.write(
                f"{session_id} is connected as {session['phone_number'] or 'a number not told yet'}"
            )
        return None
    why = f": {session['reason']['detail']}" if session["reason"] else ""
    late = ""
    if status == "qr_ready" and within_s is not None:
        late = f"; nobody scanned in {within_s:g} s; openwa-manager qr {session_id} -f goes on"
    complain(f"{session_id} is {status}{why}{late}{_way_on(session)}")
    return FAILED


def _declare_qr(parser: argparse.ArgumentParser) -> None:
    takes_session(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="show each new code until a phone is linked")
    parser.add_argument("--wait", metavar="S", type=float, help=f"wait so long for a code ({_WAIT_S:g})")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write the PNG here instead of drawing it")


def _write_image(path: Path, qr_base64: str) -> None:
    """Write the image so that only its owner can read it: a code is a login."""
    image = base64.b64decode(qr_base64.rpartition(",")[2])
    try:
        if path.exists() and not path.is_file():  # a pipe or a device such as /dev/stdout
            path.write_bytes(image)
        else:
            write_file(path.resolve(), image, is_durable=False)
    except OSError as error:
        raise CommandFailedError(f"{path} cannot be written: {error.strerror}") from error


COMMANDS = (Command("qr", "draw a session's QR code; -f until it is linked", _qr, _declare_qr),)
