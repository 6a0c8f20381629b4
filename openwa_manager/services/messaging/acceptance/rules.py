"""What a message must meet to be taken in; the checks run in the transaction that takes it in."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import field
from zoneinfo import ZoneInfo

from openwa_manager.domain.errors import (
    InvalidInputError,
    NeverSendableError,
    QueueFullError,
    QuotaExceededError,
    SessionNotFoundError,
)
from openwa_manager.domain.messaging.messages import Hold, HoldCode, UserKey
from openwa_manager.domain.messaging.quotas import month_of, resets_at
from openwa_manager.domain.messaging.windows import Window, can_open
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.acceptance.drafts import AHEAD_MAX_S
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import heads
from openwa_manager.store.sessions.registry import is_to_stay

#: Tells which of these chats a user's sessions must not write to.
FindSuppressed = Callable[[Connection, UserKey, Sequence[str]], Collection[str]]
#: Accepts one more first contact of a session at a wall time, or raises FirstContactCapError.
CheckFirstContact = Callable[[Connection, SessionId, float], None]

_ROOM_WITHIN_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many messages may wait, in one session and on the whole host, and how many bytes those may take.

    Before each send one message of each batch that waits is looked at: hence the limit of batches.
    """

    session_count: int = 200_000
    session_batches: int = 500
    host_count: int = 2_000_000
    host_bytes: int = 2 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the settings say about taking messages in.

    `ttl_s` is how long a message may wait, `zone` where months and days are counted. `default_region` None: all
    numbers are international.
    """

    ttl_s: float = 86_400.0
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    default_region: str | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a message may be sent: not before `send_after` (None: at once), not from `expires_at` on."""

    send_after: float | None
    expires_at: float

    def hold(self, now: float) -> Hold | None:
        """Return why it waits for its time; None when that has come."""
        if self.send_after is None or self.send_after <= now:
            return None
        return Hold(code=HoldCode.SEND_AFTER, detail="it is to be sent later", until=self.send_after)


def timing_of(send_after: float | None, expires_at: float | None, now: float, ttl_s: float) -> Timing:
    """Return when something may be sent that was handed over now.

    Raises:
        InvalidInputError: a time is over, too long ago, or too far ahead.
        NeverSendableError: it expires before it may be sent.
    """
    if send_after is not None and send_after > now + AHEAD_MAX_S:
        raise InvalidInputError("send_after", "is more than a year ahead")
    if send_after is not None and send_after < now - AHEAD_MAX_S:
        raise InvalidInputError("send_after", "is more than a year ago")
    if expires_at is None:
        return Timing(send_after=send_after, expires_at=max(now, send_after or now) + ttl_s)
    if expires_at <= now:
        raise InvalidInputError("expires_at", "is in the past")
    if expires_at > now + 2 * AHEAD_MAX_S:
        raise InvalidInputError("expires_at", "is more than two years ahead")
    if send_after is not None and expires_at <= send_after:
        raise NeverSendableError("expires_at is not after send_after")
    return Timing(send_after=send_after, expires_at=expires_at)


def require_opening(window: Window | None, timing: Timing, now: float) -> None:
    """Accept a window that opens in time.

    Raises:
        NeverSendableError: it does not.
    """
    if not can_open(window, max(now, timing.send_after or now), timing.expires_at):
        raise NeverSendableError("the window does not open before the messages expire")


def require_session(connection: Connection, session_id: SessionId) -> None:
    """Accept a session that has not been deleted meanwhile, and is not about to be.

    Raises:
        SessionNotFoundError: it has, or is.
    """
    if not is_to_stay(connection, session_id):
        raise SessionNotFoundError("there is no such session, or it is being deleted")


def require_room(connection: Connection, session_id: SessionId, count: int, size_bytes: int, limits: Limits) -> None:
    """Accept so many more messages of so many bytes together.

    Raises:
        QueueFullError: too many wait already.
    """
    if heads.waiting_in(connection, session_id) + count > limits.session_count:
        raise QueueFullError(f"{limits.session_count} messages may wait in a session", _ROOM_WITHIN_S)
    host_count, host_bytes = heads.waiting_on_host(connection)
    if host_count + count > limits.host_count or host_bytes + size_bytes > limits.host_bytes:
        raise QueueFullError("too many messages wait on this host", _ROOM_WITHIN_S)


def require_room_for_batch(connection: Connection, session_id: SessionId, limits: Limits) -> None:
    """Accept one more batch.

    Raises:
        QueueFullError: too many wait already.
    """
    if heads.waiting_batches(connection, session_id) >= limits.session_batches:
        raise QueueFullError(f"{limits.session_batches} batches may wait in a session", _ROOM_WITHIN_S)


def quota_month(user_id: str | None, now: float, rules: Rules) -> str | None:
    """Return in which month a message counts that is taken in now; None: no quota counts it."""
    return None if user_id is None else month_of(now, rules.zone)


def quota_error(now: float, rules: Rules) -> QuotaExceededError:
    """Return the refusal of whoever has used up his month."""
    resets = resets_at(now, rules.zone)
    detail = "the user's quota of this month is used up"
    return QuotaExceededError(detail, max(1, math.ceil(resets - now)), resets)
