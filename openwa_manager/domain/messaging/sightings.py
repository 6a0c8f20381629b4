"""What an engine has seen of messages, chats and contacts, as it says when asked or by itself; evidence, not proof."""

import hashlib
from dataclasses import field

from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactFound:
    """Whether a number is on WhatsApp, and the chat it has there (None: not told)."""

    exists: bool
    chat_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMessage:
    """A message that left through the account, ours or one typed on the phone.

    `body_sha256` is that of its text or caption (`body_sha256`), `at` when it left (wall time, whole seconds; None: not
    told). `to` is another name of the same chat, if it has one. `fate` is sent, delivered, read or failed; None: none
    of these yet.
    """

    message_id: str
    chat_id: str
    body_sha256: str
    at: float | None
    fate: str | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage:
    """A message that came in: `sender` wrote it, in a chat of two (`is_direct`) or any other."""

    message_id: str
    chat_id: str
    sender: str
    body: str = field(repr=False)
    at: float | None
    is_direct: bool


def body_sha256(text: str) -> str:
    """Return by what a text is known once it is gone; half characters count as one unknown one."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


#: When the engine is asked whether it knows a message of which nothing proves that it was sent, or not (after that
#: became so); what is not known after the last of them is left to people.
LOOKUPS_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 4200.0)
#: How long after its sending an acknowledgement is awaited before the engine is asked for it; after a connection it may
#: still come by itself for a while.
ACK_AWAITED_S, ACK_AFTER_CONNECTION_S = 600.0, 60.0
#: So many messages in a row without one hold the queue.
OVERDUE_MAX = 5
#: An engine tells whole seconds and its own time; and what it was asked for it may do later than it answers.
SEEN_BEFORE_S, SEEN_AFTER_S = 2.0, 60.0


def lookup_at(since: float, looked_up_count: int) -> float | None:
    """Return when the engine is asked next about a message that is unproven since then (wall times); None: no more."""
    return since + LOOKUPS_S[looked_up_count] if looked_up_count < len(LOOKUPS_S) else None


def past_lookups(since: float, now: float) -> int:
    """Return how many of them are over: of those that were missed the latest is made up for, unless it is the last."""
    past_count = sum(since + each <= now for each in LOOKUPS_S)
    return past_count if past_count == len(LOOKUPS_S) else max(0, past_count - 1)


def ack_due_at(sent_at: float, connected_at: float | None) -> float:
    """Return when to ask for the acknowledgement of a message that was sent then (wall times)."""
    return max(sent_at + ACK_AWAITED_S, (connected_at or 0.0) + ACK_AFTER_CONNECTION_S)
