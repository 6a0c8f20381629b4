"""What a command sends: a text or a file by its URL, and when."""

import argparse
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from openwa_manager.cli.errors import CommandFailedError, UsageError

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: Stands for stdin in place of a text or a file.
STDIN = "-"
#: No text that is longer could be sent: WhatsApp's 4,096 characters take less, in any script.
_TEXT_MAX_CHARS = 16_384
_KINDS = ("image", "video", "audio", "document")
_KEY_MAX_CHARS = 255


def takes_file(parser: argparse.ArgumentParser) -> None:
    """Declare the file that is sent instead of a text."""
    which = parser.add_mutually_exclusive_group()
    for kind in _KINDS:
        article = "an" if kind[0] in "aeiou" else "a"
        which.add_argument(f"--{kind}", metavar="URL", help=f"send {article} {kind} file; the daemon fetches it")
    parser.add_argument("--filename", metavar="NAME", help="with a file: what it is called")
    parser.add_argument("--fallback-text", metavar="TEXT", help="with a file: sent instead when it cannot be fetched")


def takes_times(parser: argparse.ArgumentParser) -> None:
    """Declare when something may be sent, and under which key it is asked for."""
    parser.add_argument("--send-after", metavar="TIME", help="not before, as 2026-11-22T07:00:00Z")
    parser.add_argument("--expires-at", metavar="TIME", help="not from then on, written likewise")
    parser.add_argument(
        "--idempotency-key", metavar="KEY", help="the same key and content again sends nothing, and answers the same"
    )


def takes_wait_for_end(parser: argparse.ArgumentParser, until: str) -> None:
    """Declare whether a command waits, and how long."""
    parser.add_argument(
        "--wait", metavar="S", nargs="?", type=_seconds, const=math.inf, help=f"wait {until}, at most S seconds"
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:  # also what is no number by its own account
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds; without one, write --wait at the end")
    return seconds


def positive_count(text: str) -> int:
    """Return a count of the command line, of which there is at least one."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no count")
    return int(text)


def content_of(given: argparse.Namespace, text: str | None, text_option: str) -> "dict[str, Json]":
    """Return what is sent as the API takes it; `text` goes with the file where there is one.

    Raises:
        UsageError: there is nothing to send, or options that go with a file only.
    """
    urls: dict[str, Json] = {f"{kind}_url": url for kind in _KINDS if (url := getattr(given, kind)) is not None}
    if urls:
        return urls | present({"caption": text, "filename": given.filename, "fallback_text": given.fallback_text})
    if given.filename is not None or given.fallback_text is not None:
        raise UsageError("--filename and --fallback-text go with a file: --image, --video, --audio or --document URL")
    if text is None:
        raise UsageError(f"say what to send: {text_option}, or --image, --video, --audio or --document URL")
    return {"text": text}


def text_of(given: str | None) -> str | None:
    """Return a text of the command line; `-` is what stdin has, without the line end that closes it.

    Raises:
        UsageError: what stdin has is no text, or too long for one.
    """
    if given != STDIN:
        return given
    try:
        text = sys.stdin.read(_TEXT_MAX_CHARS + 1)
    except UnicodeDecodeError as error:
        raise UsageError(f"what stdin has is no text: {error}") from error
    if len(text) > _TEXT_MAX_CHARS:
        raise UsageError(f"what stdin has is longer than {_TEXT_MAX_CHARS:,} characters")
    return text.removesuffix("\n").removesuffix("\r")


def key_headers(given: argparse.Namespace) -> Mapping[str, str]:
    """Return the header under which something is asked for, if the caller gave a key.

    Raises:
        UsageError: no header can hold that key.
    """
    key: str | None = given.idempotency_key
    if key is None:
        return {}
    if not (key.isascii() and key.isprintable() and 0 < len(key.strip()) <= _KEY_MAX_CHARS):
        raise UsageError(f"--idempotency-key takes 1 to {_KEY_MAX_CHARS} letters, digits and signs of ASCII")
    return {"Idempotency-Key": key}


def read_file(path: Path, max_bytes: int) -> bytes:
    """Return what a file has, or stdin where the path is `-`.

    Raises:
        CommandFailedError: it cannot be read, or has more than `max_bytes`.
    """
    try:
        if str(path) == STDIN:
            raw = sys.stdin.buffer.read(max_bytes + 1)
        else:
            with path.open("rb") as file:
                raw = file.read(max_bytes + 1)
    except OSError as error:
        raise CommandFailedError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > max_bytes:
        raise CommandFailedError(f"{path} is larger than {max_bytes / 1_000_000:.0f} MB")
    return raw


def present(body: "Mapping[str, Json]") -> "dict[str, Json]":
    """Return what of a body is given at all."""
    return {name: value for name, value in body.items() if value is not None}
