"""What callers get about queues."""

from collections.abc import Mapping
from typing import Literal

from openwa_manager.api.messaging.responses import HoldOut, hold_out
from openwa_manager.api.responses import Out, Timestamp, timestamp
from openwa_manager.domain.messaging.messages import MessageStatus
from openwa_manager.domain.messaging.pacing import ProfileName
from openwa_manager.domain.times import iso8601
from openwa_manager.services.messaging.control.views import QueueView


class GapOut(Out):
    """The pause between an answer and the next message, in seconds, and when the present one ends."""

    min_s: float
    max_s: float
    free_at: Timestamp


class QueueOut(Out):
    """A session's queue; `by_hold` counts what waits by why, `none` what is only waiting for its turn.

    `failure_rate` is the share of last hour's messages that failed, bounced or are unknown (null: none ended).
    `first_contacts_left` null: any number. `estimated_at` is when the last one leaves (null: nobody can tell).
    """

    session_id: str
    state: Literal["active", "paused"]
    profile: ProfileName
    hold: HoldOut | None
    length: int
    by_status: Mapping[str, int]
    by_hold: Mapping[str, int]
    next_message_id: str | None
    gap: GapOut
    sent_per_minute: int
    sent_per_hour: int
    failure_rate: float | None
    seconds_per_send: float | None
    first_contacts_today: int
    first_contacts_left: int | None
    estimated_at: Timestamp | None


def queue_out(view: QueueView) -> QueueOut:
    """Return a queue as callers get it."""
    rate, row, gap = view.throughput, view.row, view.profile.gap
    return QueueOut(
        session_id=row.session_id,
        state="paused" if row.is_paused else "active",
        profile=view.profile.name,
        hold=hold_out(view.hold),
        length=view.by_status.get(MessageStatus.QUEUED, 0),
        by_status={status.value: count for status, count in view.by_status.items()},
        by_hold={code.value if code else "none": count for code, count in view.by_hold.items()},
        next_message_id=view.next_message.message_id if view.next_message else None,
        gap=GapOut(min_s=gap.min_s, max_s=gap.max_s, free_at=iso8601(view.free_at)),
        sent_per_minute=rate.sent_per_minute,
        sent_per_hour=rate.sent_per_hour,
        failure_rate=None if rate.failure_share is None else round(rate.failure_share, 4),
        seconds_per_send=None if row.send_s is None else round(row.send_s, 3),
        first_contacts_today=view.first_contacts_today,
        first_contacts_left=view.first_contacts_left,
        estimated_at=timestamp(view.estimated_at),
    )
