"""The command that sends one message."""

import argparse
from typing import TYPE_CHECKING, cast

from openwa_manager.cli.command import Command, Invocation, takes_session
from openwa_manager.cli.commands.messaging.addresses import message_path
from openwa_manager.cli.commands.messaging.answers import Message, is_open, sentence, was_sent
from openwa_manager.cli.commands.messaging.content import (
    content_of,
    key_headers,
    present,
    takes_file,
    takes_times,
    takes_wait_for_end,
    text_of,
)
from openwa_manager.cli.commands.messaging.waiting import wait_until
from openwa_manager.cli.errors import FAILED, UsageError, complain

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json


def _send(invocation: Invocation) -> int | None:
    given = invocation.arguments
    path, headers = f"{invocation.session_path}/messages", key_headers(given)
    body = {"to": given.to, **_content(given)} | present(
        {
            "reference": given.reference,
            "send_after": given.send_after,
            "expires_at": given.expires_at,
            "priority": given.priority,
        }
    )
    message = invocation.client.post(path, body=body, headers=headers)
    return finish(invocation, message)


def _content(given: argparse.Namespace) -> "dict[str, Json]":
    has_file = any((given.image, given.video, given.audio, given.document))
    if has_file and given.text is not None:
        raise UsageError("with a file, what is said of it goes into --caption")
    if given.caption is not None and not has_file:
        raise UsageError("--caption goes with a file: --image, --video, --audio or --document URL")
    return content_of(given, text_of(given.caption if has_file else given.text), "TEXT (- for stdin)")


def finish(invocation: Invocation, message: "Json") -> int | None:
    """Show a message that was taken in, and with `--wait` what became of it; return the exit code."""
    within_s: float | None = invocation.arguments.wait
    if within_s is not None:
        path = message_path(_read(message)["message_id"])
        message = wait_until(
            lambda: invocation.client.get(path),
            lambda answer: not is_open(_read(answer)),
            lambda answer: sentence(_read(answer)),
            within_s,
        )
    invocation.output.show(message, lambda: sentence(_read(message)))
    if within_s is None or was_sent(_read(message)):
        return None
    if not invocation.output.is_for_people:
        complain(sentence(_read(message)))
    return FAILED


def _read(message: "Json") -> Message:
    return cast("Message", message)


def _declare(parser: argparse.ArgumentParser) -> None:
    takes_session(parser)
    parser.add_argument("to", metavar="TO", help="who gets it, as +85212345678, or a chat id such as …@g.us")
    parser.add_argument("text", metavar="TEXT", nargs="?", help="what is said; - reads it from stdin")
    takes_file(parser)
    parser.add_argument("--caption", metavar="TEXT", help="with a file: what is said of it; - reads it from stdin")
    parser.add_argument("--reference", metavar="TEXT", help="your own name for it, in lists and events")
    takes_times(parser)
    parser.add_argument("--priority", choices=("normal", "low"), help="low waits behind all that is normal")
    takes_wait_for_end(parser, "until it was sent or has failed (then exit 1)")


COMMANDS = (Command("send", "send a message when its turn comes", _send, _declare),)
