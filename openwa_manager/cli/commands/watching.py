"""The commands that look on: the code, the log, the timeline, the events, the description of the API."""

import argparse
import base64
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypedDict, cast

from openwa_manager.cli.command import Command, Invocation, takes_session
from openwa_manager.cli.errors import CommandFailedError
from openwa_manager.cli.terminal.output import cell, moment, table

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

TAIL = 200
#: What every event has, and so needs no repeating beside its name.
_COMMON = ("id", "type", "event", "timestamp", "session_id", "user_id", "seq", "launch", "host")


class _Qr(TypedDict):
    qr_base64: str
    attempt: int
    expires_at: str


class _Step(TypedDict):
    at: str
    stimulus: str
    decision: str
    evidence: Mapping[str, "Json"]


class _NextStep(TypedDict):
    decision: str
    at: str | None


class _Timeline(TypedDict):
    status: str
    steps: Sequence[_Step]
    next_step: _NextStep | None


class _Events(TypedDict):
    events: Sequence[Mapping[str, "Json"]]
    next_after: int


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
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
            file.write(base64.b64decode(qr_base64.rpartition(",")[2]))
    except OSError as error:
        raise CommandFailedError(f"{path} cannot be written: {error.strerror}") from error


def _drawn_qr(qr: _Qr) -> str:
    from openwa_manager.cli.terminal.qr_drawing import draw, modules_of

    hint = (
        f"code {qr['attempt']}, valid until {moment(qr['expires_at'])} UTC: WhatsApp > Linked devices > Link a device"
    )
    return f"{draw(modules_of(qr['qr_base64']))}\n{hint}"


def _logs(invocation: Invocation) -> None:
    given = invocation.arguments
    tail = TAIL if given.tail is None else given.tail
    query = {"tail": tail, "follow": 1 if given.follow else None}
    for chunk in invocation.client.stream(f"{invocation.session_path}/logs", query):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def _declare_logs(parser: argparse.ArgumentParser) -> None:
    takes_session(parser)
    parser.add_argument("--tail", metavar="N", type=int, nargs="?", help=f"the last N lines ({TAIL})")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with the lines to come")


def _why(invocation: Invocation) -> None:
    answer = invocation.client.get(f"{invocation.session_path}/why", {"limit": invocation.arguments.limit})
    invocation.output.show(answer, lambda: _drawn_timeline(cast("_Timeline", answer)))


def _declare_why(parser: argparse.ArgumentParser) -> None:
    takes_session(parser)
    parser.add_argument("--limit", metavar="N", type=int, default=50, help="the newest N steps (%(default)s)")


def _drawn_timeline(timeline: _Timeline) -> str:
    steps = timeline["steps"]
    rows = [(moment(step["at"]), step["stimulus"], step["decision"], step["evidence"]) for step in steps]
    coming = timeline["next_step"]
    ahead = f"{coming['decision']} {moment(coming['at']) or 'as soon as it can'}" if coming else "nothing by itself"
    return f"{table(('AT', 'WHAT HAPPENED', 'DECISION', 'EVIDENCE'), rows)}\nnow: {timeline['status']}; next: {ahead}"


def _events(invocation: Invocation) -> None:
    given = invocation.arguments
    path = f"{invocation.session_path}/events" if given.session_id else "/v1/events"
    if given.follow:
        _follow_events(invocation, path)
    which = {"tail": given.limit} if given.after is None else {"after": given.after, "limit": given.limit}
    answer = invocation.client.get(path, {**which, "type": given.type})
    rows = map(_row, cast("_Events", answer)["events"])
    invocation.output.show(answer, lambda: table(("TIME", "EVENT", "SESSION", "FACTS"), rows))


def _follow_events(invocation: Invocation, path: str) -> NoReturn:
    """Print events as they come, one a line, until interrupted."""
    from openwa_manager.cli.following import Follower

    for event in Follower(
        invocation.client, path, {"after": invocation.arguments.after, "type": invocation.arguments.type}
    ).follow():
        invocation.output.show(event, partial(_line, event))
    raise AssertionError


def _declare_events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session_id", metavar="ID", nargs="?", help="only those of this session")
    parser.add_argument(
        "--after", metavar="N", type=int, help="those behind this position (else the newest; -f: from now on)"
    )
    parser.add_argument("--limit", metavar="N", type=int, default=100, help="at most so many (%(default)s)")
    parser.add_argument("--type", help="only this type, such as session.connected")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with the events to come")


def _line(event: Mapping[str, "Json"]) -> str:
    return "  ".join(map(cell, _row(event)))


def _row(event: Mapping[str, "Json"]) -> tuple[object, ...]:
    facts = {name: value for name, value in event.items() if name not in _COMMON and value is not None}
    if "qr_base64" in facts:
        facts["qr_base64"] = "…"
    return (moment(cast("str", event["timestamp"])), event["type"], event["session_id"], facts)


def _openapi(invocation: Invocation) -> None:
    import json

    document = invocation.client.get("/openapi.json")
    invocation.output.show(document, lambda: json.dumps(document, indent=2))


COMMANDS = (
    Command("qr", "draw a session's QR code", _qr, _declare_qr),
    Command("logs", "print what a session's engine printed", _logs, _declare_logs),
    Command("why", "explain how a session came to its state", _why, _declare_why),
    Command("events", "list what happened", _events, _declare_events),
    Command("openapi", "print the description of the HTTP API", _openapi),
)
