"""Many messages that were handed over at once: what becomes of them together, and which of them were not taken."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from openwa_manager.domain.messaging.messages import (
    BatchId,
    MessageId,
    SendRoute,
    UserKey,
    user_key_of,
)
from openwa_manager.domain.messaging.windows import Window
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass

#: How many messages one call may hand over.
BATCH_MAX = 10_000


class BatchState(StrEnum):
    """Where a batch is; one that is STAGING is being taken in, and nobody sees it."""

    STAGING = "staging"
    ACTIVE = "active"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


class RejectionCode(StrEnum):
    """Why a message of a batch was not taken, in the order in which they are looked for."""

    INVALID_RECIPIENT = "invalid_recipient"
    DUPLICATE = "duplicate"
    OPTED_OUT = "opted_out"
    MISSING_VARIABLE = "missing_variable"
    TEXT_TOO_LONG = "text_too_long"
    QUOTA_EXCEEDED = "quota_exceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One message of a batch that was not taken: its place in the request, and why.

    `message_id` names the message that a duplicate repeats.
    """

    index: int
    code: RejectionCode
    detail: str
    message_id: MessageId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOrigin:
    """Whose a batch is, and what he calls it."""

    session_id: SessionId
    user_id: str | None = None
    name: str | None = None
    route: SendRoute = SendRoute.API

    @property
    def user_key(self) -> UserKey:
        """Return whose quota and opt-outs count."""
        return user_key_of(self.session_id, self.user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTerms:
    """When the messages of a batch may be sent (wall time): in its window, not before, not after.

    `stops_on_error` calls off what waits behind one that did not get through, and is for some hundred messages at most;
    `gap_min_s` lies at least between two of them.
    """

    expires_at: float
    window: Window | None = None
    send_after: float | None = None
    stops_on_error: bool = False
    gap_min_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One batch as it is on disk.

    `rejected` counts by code what was not taken. `told_at` is when its end was told, `ended_at` when its last message
    ended; None: not yet. `quota_month` None: no quota counts it.
    """

    batch_id: BatchId
    origin: BatchOrigin
    state: BatchState
    terms: BatchTerms
    accepted_count: int
    created_at: float
    rejected: Mapping[str, int] = field(default_factory=dict)
    paused_detail: str | None = None
    quota_month: str | None = None
    told_at: float | None = None
    ended_at: float | None = None
