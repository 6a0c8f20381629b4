"""What an engine has seen of messages, chats and contacts, as it says when asked or by itself; evidence, not proof."""

import hashlib
from dataclasses import dataclass, field


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
