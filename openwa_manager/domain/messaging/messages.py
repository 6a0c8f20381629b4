"""A message on its way: its states, what may follow what, and what each step does to its quota and its body.

Theory. A message waits (`queued`), is asked of the engine (`sending`), and ends in exactly one final state. Only proof
moves it on: an answer, an acknowledgement, a person's word. `sending` without an answer proves nothing, so the way out
of it is either proof or `unknown`, and `unknown` still gives way to proof that comes late. A pair that is absent from
`MOVES` never happens: whoever asks for it finds that the message has moved on meanwhile, and nothing changes. That one
rule settles every race: a cancellation against a send, an acknowledgement against an answer, a kill against both.

The quota and the body follow from the state alone (`STANDINGS`, `BODY_USES`), so that neither can be forgotten.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum, StrEnum
from typing import NewType

from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass

MessageId = NewType("MessageId", str)
BatchId = NewType("BatchId", str)
#: Whose quota and opt-outs count: a user, or a session that has none (`user_key_of`).
UserKey = NewType("UserKey", str)

#: What `Message.batch_id` is of a message that is part of no batch.
NO_BATCH = BatchId("")


class MessageStatus(StrEnum):
    """Where a message is; all but the first two are final, though proof may still refine some of them."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    BOUNCED = "bounced"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


_S = MessageStatus
#: From each state, those that may follow. `sending` goes back to `queued` only when it is proven that nothing was sent.
MOVES: Mapping[MessageStatus, frozenset[MessageStatus]] = {
    _S.QUEUED: frozenset({_S.SENDING, _S.FAILED, _S.BOUNCED, _S.EXPIRED, _S.CANCELLED}),
    _S.SENDING: frozenset({_S.QUEUED, _S.SENT, _S.DELIVERED, _S.READ, _S.FAILED, _S.BOUNCED, _S.UNKNOWN}),
    _S.SENT: frozenset({_S.DELIVERED, _S.READ, _S.FAILED}),
    _S.DELIVERED: frozenset({_S.READ}),
    _S.READ: frozenset(),
    _S.FAILED: frozenset(),
    _S.BOUNCED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.UNKNOWN: frozenset({_S.SENT, _S.DELIVERED, _S.READ, _S.FAILED}),
    _S.CANCELLED: frozenset(),
}
#: What still waits for its turn or its answer.
OPEN = frozenset({_S.QUEUED, _S.SENDING})
FINAL = frozenset(MessageStatus) - OPEN
#: What may be sent once more, as a new message.
RESENDABLE = frozenset({_S.FAILED, _S.BOUNCED, _S.EXPIRED, _S.UNKNOWN})


class Standing(StrEnum):
    """What a message is to its user's quota."""

    RESERVED = "reserved"
    BOOKED = "booked"
    FREE = "free"


#: `unknown` keeps its reservation: it may have been sent.
STANDINGS: Mapping[MessageStatus, Standing] = {
    _S.QUEUED: Standing.RESERVED,
    _S.SENDING: Standing.RESERVED,
    _S.UNKNOWN: Standing.RESERVED,
    _S.SENT: Standing.BOOKED,
    _S.DELIVERED: Standing.BOOKED,
    _S.READ: Standing.BOOKED,
    _S.FAILED: Standing.FREE,
    _S.BOUNCED: Standing.FREE,
    _S.EXPIRED: Standing.FREE,
    _S.CANCELLED: Standing.FREE,
}


class BodyUse(StrEnum):
    """What a message's text is still needed for."""

    TO_SEND = "to_send"
    TO_SEND_AGAIN = "to_send_again"
    NOTHING = "nothing"


#: A body that is of no more use is wiped in the same transaction; one `to_send_again` is kept for some days.
BODY_USES: Mapping[MessageStatus, BodyUse] = {
    _S.QUEUED: BodyUse.TO_SEND,
    _S.SENDING: BodyUse.TO_SEND,
    _S.UNKNOWN: BodyUse.TO_SEND_AGAIN,
    _S.FAILED: BodyUse.TO_SEND_AGAIN,
    _S.BOUNCED: BodyUse.TO_SEND_AGAIN,
    _S.EXPIRED: BodyUse.TO_SEND_AGAIN,
    _S.SENT: BodyUse.NOTHING,
    _S.DELIVERED: BodyUse.NOTHING,
    _S.READ: BodyUse.NOTHING,
    _S.CANCELLED: BodyUse.NOTHING,
}

#: How far a message is known to have got; a later acknowledgement that says less changes nothing.
PROGRESS: Mapping[MessageStatus, int] = {_S.SENT: 1, _S.DELIVERED: 2, _S.READ: 3}


class HoldCode(StrEnum):
    """Why a message waits."""

    RESTORED = "restored"
    NUMBER_CHANGED = "number_changed"
    OPT_OUT_FLOOD = "opt_out_flood"
    QUEUE_PAUSED = "queue_paused"
    AWAITING_ACKS = "awaiting_acks"
    RESTRICTED = "restricted"
    NOT_CONNECTED = "not_connected"
    STORAGE_FULL = "storage_full"
    CLOCK = "clock"
    ENGINE_LIMITED = "engine_limited"
    BREAKER_OPEN = "breaker_open"
    BATCH_PAUSED = "batch_paused"
    SEND_AFTER = "send_after"
    RETRYING = "retrying"
    QUIET_HOURS = "quiet_hours"
    FIRST_CONTACT_CAP = "first_contact_cap"
    CHECKING = "checking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why something waits, for people too, and until when (wall time; None: until something happens)."""

    code: HoldCode
    detail: str = ""
    until: float | None = None


class Kind(StrEnum):
    """What is sent; OTHER are those that only the gateway knows."""

    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"
    OTHER = "other"


class SendRoute(StrEnum):
    """By which way a message came in."""

    API = "api"
    GATEWAY = "gateway"


class Priority(IntEnum):
    """Which messages go first; those of one priority go in the order in which they came."""

    NORMAL = 0
    LOW = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What is to be sent: a text, or what lies at a URL or in a file of ours, with the text as its caption.

    `media_name` names a file of the media store; `fallback_text` is sent in place of media that cannot be had.
    """

    kind: Kind
    text: str = field(default="", repr=False)
    url: str | None = None
    filename: str | None = None
    fallback_text: str | None = field(default=None, repr=False)
    media_name: str | None = None
    mimetype: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Whom a message is for: as the caller wrote it, and the chat that is."""

    to: str
    chat_id: str
    is_first_contact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a message came from, and whose it is."""

    session_id: SessionId
    user_id: str | None = None
    batch_id: BatchId = NO_BATCH
    reference: str | None = None
    route: SendRoute = SendRoute.API
    priority: Priority = Priority.NORMAL
    replaces: MessageId | None = None

    @property
    def caller_waits(self) -> bool:
        """Tell whether a caller holds the answer to the send, and decides what follows."""
        return self.route is SendRoute.GATEWAY and self.batch_id == NO_BATCH

    @property
    def user_key(self) -> UserKey:
        """Return whose quota and opt-outs count."""
        return user_key_of(self.session_id, self.user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When things happened to a message, or may (wall time); None: not yet, or never."""

    created_at: float
    send_after: float | None = None
    expires_at: float
    sent_at: float | None = None
    acked_at: float | None = None
    delivered_at: float | None = None
    read_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageError:
    """Why a message did not get through: a stable code, and words for people."""

    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it is on disk; `seq` is its place in the order of arrival, `body` None once it is wiped.

    `hold` is why the message itself waits (send_after, retrying, checking); what holds its batch or its session is not
    in it (holds.py). `body_sha256` is that of its text or caption, `ack_overdue` tells that its acknowledgement is
    missing.
    """

    message_id: MessageId
    seq: int
    origin: Origin
    recipient: Recipient
    kind: Kind
    status: MessageStatus
    times: Times
    body: Body | None = None
    body_sha256: str = ""
    hold: Hold | None = None
    error: MessageError | None = None
    whatsapp_message_id: str | None = None
    ack_overdue: bool = False
    quota_month: str | None = None
    attempt_count: int = 0


class AttemptOutcome(StrEnum):
    """What became of an attempt; `not_taken` uses none up: the engine could not, and said so."""

    SENT = "sent"
    NOT_TAKEN = "not_taken"
    PUT_OFF = "put_off"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One time a message was asked of an engine.

    `outcome` None: no answer is known yet. `key` is what the engine was given to know it by, if its version takes one;
    `engine_version`, `inner_id` and `data_id` tell which memory took it. `next_at` is when it is asked again.
    """

    number: int
    at: float
    ended_at: float | None = None
    outcome: AttemptOutcome | None = None
    http_status: int | None = None
    code: str | None = None
    next_at: float | None = None
    engine_version: str | None = None
    inner_id: str | None = None
    data_id: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step of a message to another state, at wall time `at`; what is None stays as it is.

    Back to `queued` it sleeps until `due_at` (0: it is ready at once) for the reason in `hold`. `by_us` tells that we
    cancelled it, not a caller.
    """

    to: MessageStatus
    at: float
    error: MessageError | None = None
    whatsapp_message_id: str | None = None
    hold: Hold | None = None
    due_at: float = 0.0
    is_ack: bool = False
    by_us: bool = False


def may_move(before: MessageStatus, to: MessageStatus) -> bool:
    """Tell whether a message in this state may go on to the other."""
    return to in MOVES[before]


def user_key_of(session_id: SessionId, user_id: str | None) -> UserKey:
    """Return whose quota and opt-outs count for a session: its user's, or its own."""
    return UserKey(f"session:{session_id}") if user_id is None else key_of_user(user_id)


def key_of_user(user_id: str) -> UserKey:
    """Return whose quota and opt-outs count for all sessions of a user."""
    return UserKey(f"user:{user_id}")


#: The event that tells of each state; the first three are told in this order, each once.
_TOLD: Mapping[MessageStatus, str] = {
    _S.SENT: "message.sent",
    _S.DELIVERED: "message.delivered",
    _S.READ: "message.read",
    _S.FAILED: "message.failed",
    _S.BOUNCED: "message.failed",
    _S.EXPIRED: "message.failed",
    _S.UNKNOWN: "message.failed",
    _S.CANCELLED: "message.failed",
}


def told_of(before: MessageStatus, move: Move) -> tuple[str, ...]:
    """Return the types of the events that tell of a step, oldest first.

    That it was sent is told once, whichever proof came first. A caller's own cancellation tells nothing.
    """
    if move.to in OPEN or (move.to is _S.CANCELLED and not move.by_us):
        return ()
    told = _TOLD[move.to]
    skipped_sent = PROGRESS.get(move.to, 0) > PROGRESS[_S.SENT] and before not in PROGRESS
    return (_TOLD[_S.SENT], told) if skipped_sent else (told,)
