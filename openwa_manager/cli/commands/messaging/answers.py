"""What is read here of the API's answers about messages, and how it is said to people."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from openwa_manager.cli.terminal.output import moment

#: Where a message may be, in the order in which it gets there.
STATUSES = ("queued", "sending", "sent", "delivered", "read", "failed", "bounced", "expired", "unknown", "cancelled")
#: In these a message waits for its turn or its answer.
_OPEN = ("queued", "sending")
#: In these it has left.
_SENT = ("sent", "delivered", "read")


class Hold(TypedDict):
    """Why something waits; `until` None: until something happens."""

    code: str
    detail: str
    until: str | None


class Attempt(TypedDict):
    """One time a message was asked of its engine."""

    at: str
    outcome: str | None
    http_status: int | None
    code: str | None
    next_at: str | None


class Message(TypedDict):
    """A message."""

    message_id: str
    session_id: str
    batch_id: str | None
    reference: str | None
    to: str
    kind: str
    status: str
    hold: Hold | None
    error_code: str | None
    error_detail: str | None
    attempts: Sequence[Attempt]
    position: int | None
    estimated_at: str | None
    created_at: str
    sent_at: str | None
    ended_at: str | None


class MessagePage(TypedDict):
    """Some messages, newest first."""

    messages: Sequence[Message]
    next_cursor: str | None


def is_open(message: Message) -> bool:
    """Tell whether a message is still on its way to its engine."""
    return message["status"] in _OPEN


def was_sent(message: Message) -> bool:
    """Tell whether it is proven that a message has left."""
    return message["status"] in _SENT


def count_ended(counts: Mapping[str, int]) -> int:
    """Return how many of the messages counted by status are on their way no more."""
    return sum(count for status, count in counts.items() if status not in _OPEN)


def count_lost(counts: Mapping[str, int]) -> int:
    """Return how many of the messages counted by status have ended without proof that they were sent."""
    return sum(count for status, count in counts.items() if status not in (*_OPEN, *_SENT))


def said_hold(hold: Hold | None) -> str:
    """Return why something waits, and until when; nothing where nothing holds it."""
    if hold is None:
        return ""
    until = f" until {moment(hold['until'])}" if hold["until"] else ""
    detail = f": {hold['detail']}" if hold["detail"] else ""
    return f"{hold['code']}{until}{detail}"


def said_error(message: Message) -> str:
    """Return what went wrong with a message; nothing where nothing did."""
    if not message["error_code"]:
        return ""
    return f"{message['error_code']}: {message['error_detail']}" if message["error_detail"] else message["error_code"]


def sentence(message: Message) -> str:
    """Return where a message is and why, in a line."""
    parts = [message["status"]]
    if why := said_hold(message["hold"]) or said_error(message):
        parts[0] += f" ({why})"
    if message["position"]:
        parts.append(f"number {message['position']} in line")
    if message["estimated_at"] and is_open(message):
        parts.append(f"expected {moment(message['estimated_at'])}")
    return f"{message['message_id']} to {message['to']}: {', '.join(parts)}"


def counts_said(counts: Mapping[str, int]) -> str:
    """Return counts by name, those that are none left out; statuses stand in the order in which messages take them."""
    names = [*filter(counts.__contains__, STATUSES), *(name for name in counts if name not in STATUSES)]
    return ", ".join(f"{counts[name]:,} {name}" for name in names if counts[name])
