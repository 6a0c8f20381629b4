"""Has one send under each key of a caller's: the first answer is given again, and nothing is sent twice."""

import json

from openwa_manager.domain.errors import (
    IdempotencyMismatchError,
    KeyInProgressError,
    KeyOutcomeUnknownError,
    OpenwaManagerError,
)
from openwa_manager.domain.messaging.messages import PROGRESS, RESENDABLE, Message, MessageStatus, Times
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.sending.attempts import Also
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging.idempotency import Key, Remembered, find_key, forget_key, remember_key, set_answer
from openwa_manager.store.messaging.messages import find_message

#: A longer answer is not kept; OpenWA's have some 100 bytes.
ANSWER_MAX_BYTES = 64 * 1024


class AnsweredBeforeError(OpenwaManagerError):
    """This was sent before under its key; the answer is the one it had then."""

    code = "conflict"

    def __init__(self, http_status: int, body: bytes) -> None:
        super().__init__("this was sent before under its key")
        self.http_status = http_status
        self.body = body


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRequest:
    """A request under a key, and the hash of its body."""

    key: Key
    body_sha256: str


def require_new(connection: Connection, asked: KeyedRequest) -> None:
    """Return if nothing was sent under the key, or surely did not get through.

    Raises:
        AnsweredBeforeError: it was sent.
        IdempotencyMismatchError: something else was asked for under the key.
        KeyInProgressError: it is being sent.
        KeyOutcomeUnknownError: it may have been sent.
    """
    before = find_key(connection, asked.key)
    if before is None:
        return
    message = find_message(connection, before.target)
    if message is not None and _is_unsent(message):
        return
    if before.body_sha256 != asked.body_sha256:
        raise IdempotencyMismatchError("Idempotency-Key was used with a different request body")
    if before.http_status is not None and before.answer is not None:
        raise AnsweredBeforeError(before.http_status, before.answer)
    _require_unsent(message)


def _is_unsent(message: Message) -> bool:
    return message.status in RESENDABLE and message.status is not MessageStatus.UNKNOWN


def _require_unsent(message: Message | None) -> None:
    if message is not None and message.status is MessageStatus.SENDING:
        raise KeyInProgressError("A send with this Idempotency-Key is in progress")
    if message is not None and message.status in PROGRESS and message.whatsapp_message_id is not None:
        raise AnsweredBeforeError(201, _answer_of(message.whatsapp_message_id, message.times))
    raise KeyOutcomeUnknownError("The message may already have been sent")


def _answer_of(whatsapp_message_id: str, times: Times) -> bytes:
    """Return what OpenWA answers to a send, for one whose answer was lost."""
    sent_at = times.sent_at or times.created_at
    return json.dumps({"messageId": whatsapp_message_id, "timestamp": int(sent_at)}, separators=(",", ":")).encode()


def remember(connection: Connection, asked: KeyedRequest, message: Message) -> None:
    """Remember that this message is sent under the key."""
    forget_key(connection, asked.key)
    target = Remembered(body_sha256=asked.body_sha256, target=message.message_id)
    remember_key(connection, asked.key, target, message.times.created_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer that a caller gets."""

    http_status: int
    body: bytes


def answering(key: Key, reply: Reply | None) -> Also:
    """Return what keeps the answer to a message that was sent, and forgets the key of one that was not."""

    def write(connection: Connection, message: Message) -> None:
        if message.status in PROGRESS:
            if reply is not None and len(reply.body) <= ANSWER_MAX_BYTES:
                set_answer(connection, key, reply.http_status, reply.body)
        elif _is_unsent(message):
            forget_key(connection, key)

    return write
