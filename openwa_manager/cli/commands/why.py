"""The command that explains how a session came to its state."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict, cast

from openwa_manager.cli.command import Command, Invocation, takes_session
from openwa_manager.cli.terminal.output import moment, table

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json


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


COMMANDS = (Command("why", "explain how a session came to its state", _why, _declare_why),)
