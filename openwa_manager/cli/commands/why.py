"""The command that explains how a session came to its state."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NotRequired, TypedDict, cast

from openwa_manager.cli.command import Command, Invocation
from openwa_manager.cli.commands.changes.selection import takes_sessions
from openwa_manager.cli.commands.changes.showing import show_sessions
from openwa_manager.cli.terminal.output import WIDE, cell, moment
from openwa_manager.cli.terminal.tables import Column, ColumnKind, Listing
from openwa_manager.domain.printable import printable

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_PRODUCED = "code produced"
#: While nobody scans, these two come in turn.
_CODE_STEPS = (_PRODUCED, "code expired")
#: So many of them in a row are told in one.
_RUN_LEAST = 4
#: The evidence that is too long for a table.
_LOG_TAIL = "log_tail"
_COLUMNS = (
    Column("AT", 8, ColumnKind.TIME),
    Column("WHAT HAPPENED", 9),
    Column("DECISION", 7),
    Column("EVIDENCE", 6),
)


class _Step(TypedDict):
    at: str
    stimulus: str
    decision: str
    evidence: "Mapping[str, Json]"


class _NextStep(TypedDict):
    decision: str
    at: str | None


class _Reason(TypedDict):
    detail: str


class _Messages(TypedDict):
    waiting: int
    detail: str | None
    until: str | None


class _Timeline(TypedDict):
    status: str
    next_probe_at: NotRequired[str | None]  # an earlier daemon does not tell
    reason: _Reason | None
    messages: _Messages
    steps: Sequence[_Step]
    coming: Sequence[_NextStep]


def _why(invocation: Invocation) -> int | None:
    client, query = invocation.client, {"limit": invocation.arguments.limit}

    return show_sessions(
        invocation,
        lambda path: cast("dict[str, Json]", client.get(f"{path}/why", query)),
        lambda answer: _drawn_timeline(invocation, cast("_Timeline", answer)),
        is_titled=True,
    )


def _declare_why(parser: argparse.ArgumentParser) -> None:
    takes_sessions(parser)
    parser.add_argument("--limit", metavar="N", type=int, default=50, help="the newest N steps (%(default)s)")


def _drawn_timeline(invocation: Invocation, timeline: _Timeline) -> str:
    steps = timeline["steps"]
    rows: list[tuple[str, str, str, str]] = []
    for is_code, group in groupby(steps, lambda step: step["stimulus"] in _CODE_STEPS):
        run = list(group)
        if is_code and len(run) >= _RUN_LEAST and invocation.output.form != WIDE:
            *former, last = run
            count = sum(step["stimulus"] == _PRODUCED for step in former)
            rows.append(
                (
                    former[0]["at"],
                    f"{count} code{'' if count == 1 else 's'} produced and expired",
                    "-",
                    "-o wide shows each",
                )
            )
            run = [last]
        rows += [(step["at"], step["stimulus"], step["decision"], _evidence(step)) for step in run]
    below = "\n".join(_below(timeline))
    return invocation.output.listing(Listing(_COLUMNS, rows, below, below))


def _below(timeline: _Timeline) -> Iterator[str]:
    yield from _log_tail(timeline["steps"])
    reason, coming = timeline["reason"], timeline["coming"]
    yield f"now: {timeline['status']}" + (f" ({cell(reason['detail'])})" if reason else "")
    for label, each in zip(("next", *("then" for _ in coming)), coming, strict=False):
        yield f"{label}: {cell(each['decision'])}, {moment(each['at']) or 'as soon as it can'}"
    if not coming:
        yield "next: nothing by itself"
    if probe_at := timeline.get("next_probe_at"):
        yield f"next probe: {moment(probe_at)}"
    yield from _messages(timeline["messages"])


def _evidence(step: _Step) -> str:
    """Return the facts beside a step, those left out that nobody knows and the log."""
    facts = {name: value for name, value in step["evidence"].items() if name != _LOG_TAIL and value not in (None, "")}
    return ", ".join(f"{name.replace('_', ' ')} {cell(value)}" for name, value in facts.items())


def _log_tail(steps: Sequence[_Step]) -> Iterator[str]:
    """Yield what the last engine that ended by itself had written last."""
    ended = next((step for step in reversed(steps) if step["evidence"].get(_LOG_TAIL)), None)
    if ended is not None:
        yield f"its log, before the process ended at {moment(ended['at'])}:"
        for line in str(ended["evidence"][_LOG_TAIL]).splitlines():
            yield f"  {printable(line)}"


def _messages(messages: _Messages) -> Iterator[str]:
    if messages["waiting"]:
        held = f": {cell(messages['detail'])}" if messages["detail"] else ""
        until = f", until {moment(messages['until'])}" if messages["until"] else ""
        yield f"messages: {messages['waiting']} wait{held}{until}"


COMMANDS = (Command("why", "explain how a session came to its state; or several", _why, _declare_why),)
