"""The command that shows a session's code: drawn in the terminal, as JSON, or in a file."""

import argparse
import base64
from pathlib import Path
from typing import TypedDict, cast

from openwa_manager.cli.command import Command, Invocation, takes_session
from openwa_manager.cli.errors import CommandFailedError
from openwa_manager.cli.terminal.output import moment
from openwa_manager.host.files import write_file


class _Qr(TypedDict):
    qr_base64: str
    attempt: int
    expires_at: str


def _qr(invocation: Invocation) -> None:
    answer = invocation.client.get(
        f"{invocation.session_path}/qr", {"wait": invocation.arguments.wait, "format": "json"}
    )
    if answer is None:
        raise CommandFailedError(
            f"{invocation.arguments.session_id} shows no code yet: try again, or ask `openwa-manager why`"
        )
    qr = cast("_Qr", answer)
    if invocation.arguments.output:
        _write_image(invocation.arguments.output, qr["qr_base64"])
    else:
        invocation.output.show(answer, lambda: _drawn_qr(qr))


def _declare_qr(parser: argparse.ArgumentParser) -> None:
    takes_session(parser)
    parser.add_argument("--wait", metavar="S", type=float, default=30.0, help="wait so long for one (%(default)g)")
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


def _drawn_qr(qr: _Qr) -> str:
    from openwa_manager.cli.terminal.qr_drawing import draw, modules_of

    hint = (
        f"code {qr['attempt']}, valid until {moment(qr['expires_at'])} UTC: WhatsApp > Linked devices > Link a device"
    )
    return f"{draw(modules_of(qr['qr_base64']))}\n{hint}"


COMMANDS = (Command("qr", "draw a session's QR code", _qr, _declare_qr),)
