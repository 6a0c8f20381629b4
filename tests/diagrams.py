"""Draws the state tables of the code into `openwa_manager/docs/design.md`; run by `make docs`."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from openwa_manager.domain.access.actions import NEEDS, Need, Recorded
from openwa_manager.domain.delivery.streams import PLACES
from openwa_manager.domain.messaging.messages import BODY_USES, MOVES, STANDINGS, MessageStatus
from openwa_manager.domain.session.lifecycle import DEADLINES, ROWS, Row
from openwa_manager.domain.session.link import FINAL_REPORTS, LINKS, LinkCause
from openwa_manager.domain.session.session import (
    STICKY_LINKS,
    LinkState,
    ProcessState,
    Session,
    SessionId,
    Spec,
    Status,
)
from openwa_manager.domain.session.stimuli import Deadline, LinkReport, Request

PAGE = Path(__file__).parents[1] / "openwa_manager" / "docs" / "design.md"

_BLOCK = "<!-- begin {name} -->\n{text}\n<!-- end {name} -->"
_UP = (ProcessState.STARTING, ProcessState.RUNNING)


def diagram(edges: Iterable[tuple[str, str, str]]) -> str:
    """Return a Mermaid diagram of (from, label, to); what leaves a state as it is is not drawn."""
    labels: dict[tuple[str, str], list[str]] = {}
    for before, label, after in edges:
        if before != after:
            labels.setdefault((before, after), []).append(label)
    lines = [f"    {before} --> {after}{_label(names)}" for (before, after), names in labels.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def _label(names: Iterable[str]) -> str:
    said = ", ".join(name for name in names if name)
    return f" : {said}" if said else ""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(head), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def process_states() -> str:
    """Return the process machine as a diagram."""
    return diagram(
        (before, row.stimulus.__name__, after)
        for row in ROWS
        for before, nexts in row.leads_to.items()
        for after in nexts
    )


def process_table() -> str:
    """Return what each stimulus leads to in each state, and where it is refused or dropped."""
    rows = ([f"`{row.stimulus.__name__}`", *(_cell(row, state) for state in ProcessState)] for row in ROWS)
    return table(["stimulus", *ProcessState], rows)


def _cell(row: Row, state: ProcessState) -> str:
    nexts = row.leads_to.get(state)
    if nexts is None:
        return "**refused**" if issubclass(row.stimulus, Request) else "dropped"
    return ", ".join("stays" if after is state else after for after in nexts)


def deadlines() -> str:
    """Return what each deadline brings when it expires."""
    return table(["deadline", "when it expires"], ([f"`{each}`", _promise_of(DEADLINES[each])] for each in Deadline))


def _promise_of(function: Callable[..., object]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def link_states() -> str:
    """Return the link machine as a diagram."""
    moves = [(before, _name_of(cause), after) for (before, cause), after in LINKS.items()]
    ends = [
        (link, _name_of(report), code.value)
        for report, code in FINAL_REPORTS.items()
        for link in LinkState
        if link not in STICKY_LINKS
    ]
    return diagram([*moves, *ends])


def _name_of(cause: LinkCause) -> str:
    match cause:
        case LinkReport():
            return cause.value
        case Deadline():
            return f"deadline {cause}"
        case _:
            return cause.__name__


def status_words() -> str:
    """Return the public word for every pair of a process and a link that there can be."""
    pairs: dict[Status, list[str]] = {status: [] for status in Status}
    for process in ProcessState:
        for link in LinkState:
            if process in _UP and link not in STICKY_LINKS:
                pairs[_session(process, link).status].append(f"{process}, link {link}")
        if process not in _UP:
            pairs[_session(process, LinkState.UNKNOWN).status].append(process)
    for link in STICKY_LINKS:
        pairs[_session(ProcessState.STOPPED, link).status].append(f"stopped, link {link}")
    return table(["`status`", "process and link"], ([f"`{status}`", "; ".join(each)] for status, each in pairs.items()))


def _session(process: ProcessState, link: LinkState) -> Session:
    session = Session(session_id=SessionId("s"), spec=Spec(engine="e"), engine_key="", created_at=0.0, updated_at=0.0)
    return replace(session, process=process, link=link)


def stream_places() -> str:
    """Return the places of one stream of deliveries as a diagram."""
    return diagram((before, stimulus, after) for stimulus, places in PLACES.items() for before, after in places.items())


def message_states() -> str:
    """Return the states of a message as a diagram; a state that is kept for a later proof leads on from there."""
    return diagram((before, "", after) for before, nexts in MOVES.items() for after in MessageStatus if after in nexts)


def message_table() -> str:
    """Return what each state of a message is to its quota and to its text."""
    rows = ([status, STANDINGS[status], BODY_USES[status].replace("_", " ")] for status in MessageStatus)
    return table(["state", "to the quota", "its text is kept"], rows)


def rights() -> str:
    """Return what each action needs, by the least role first, and how the audit tells of it."""
    head = ["action", "from the role", "with", "in the audit", "while the audit cannot be written"]
    return table(head, ([f"`{action}`", need.role, *_terms_of(need)] for action, need in NEEDS.items()))


def _terms_of(need: Need) -> list[str]:
    beside = [f"`{right}`" for right, is_needed in (("qr", need.qr), ("chats", need.chats)) if is_needed]
    return [" and ".join(beside), _RECORDED[need.recorded], "goes on" if need.is_unhindered else "is refused"]


_RECORDED = {Recorded.NEVER: "", Recorded.EACH: "a row each", Recorded.COUNTED: "counted"}


BLOCKS: Mapping[str, Callable[[], str]] = {
    "message-states": message_states,
    "message-table": message_table,
    "status-words": status_words,
    "process-states": process_states,
    "process-table": process_table,
    "deadlines": deadlines,
    "link-states": link_states,
    "stream-places": stream_places,
    "rights": rights,
}


def drawn(page: str) -> str:
    """Return the page with every block as the tables are now.

    Raises:
        ValueError: a block is not on the page.
    """
    for name, draw in BLOCKS.items():
        pattern = re.compile(_BLOCK.format(name=name, text=".*?"), re.DOTALL)
        block = _BLOCK.format(name=name, text=draw())
        page, count = pattern.subn(lambda _, block=block: block, page)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"{name} is {count} times on the page")
    return page


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text("utf-8")), "utf-8")
