"""The models of what callers get about messages and batches."""

from collections.abc import Mapping, Sequence
from typing import Literal

from openwa_manager.api.responses import Out, Timestamp, timestamp
from openwa_manager.domain.messaging.batches import BatchState, RejectionCode
from openwa_manager.domain.messaging.messages import (
    Attempt,
    Hold,
    HoldCode,
    Kind,
    MessageStatus,
    SendRoute,
)
from openwa_manager.domain.times import iso8601
from openwa_manager.services.messaging.control.batch_requests import BatchView
from openwa_manager.services.messaging.outlook import MessageView


class HoldOut(Out):
    """Why something waits, and until when; null: until something happens."""

    code: HoldCode
    detail: str
    until: Timestamp | None


class AttemptOut(Out):
    """One time a message was asked of its engine; `outcome` null: no answer is known."""

    at: Timestamp
    outcome: str | None
    http_status: int | None
    code: str | None
    next_at: Timestamp | None


class MessageOut(Out):
    """A message; `position` is its place in the line (1: it is next), null where it does not wait or is far behind."""

    message_id: str
    session_id: str
    user_id: str | None
    batch_id: str | None
    reference: str | None
    route: SendRoute
    priority: Literal["normal", "low"]
    to: str
    chat_id: str
    kind: Kind
    status: MessageStatus
    hold: HoldOut | None
    error_code: str | None
    error_detail: str | None
    whatsapp_message_id: str | None
    attempts: Sequence[AttemptOut]
    position: int | None
    estimated_at: Timestamp | None
    is_first_contact: bool
    ack_overdue: bool
    replaces: str | None
    created_at: Timestamp
    send_after: Timestamp | None
    expires_at: Timestamp
    sent_at: Timestamp | None
    delivered_at: Timestamp | None
    read_at: Timestamp | None
    ended_at: Timestamp | None


class MessagePage(Out):
    """Some messages, newest first; `next_cursor` is null on the last page."""

    messages: Sequence[MessageOut]
    next_cursor: str | None


class RejectionOut(Out):
    """A message of a batch that was not taken; `message_id` is the one that a duplicate repeats."""

    index: int
    code: RejectionCode
    detail: str
    message_id: str | None = None


class BulkOut(Out):
    """What was taken of a batch; `quota_left` null: any number. A dry run has no `batch_id`."""

    batch_id: str | None
    accepted: int
    rejected: Sequence[RejectionOut]
    first_contacts: int
    finish_at: Timestamp | None
    quota_left: int | None


class BatchOut(Out):
    """A batch: how many of its messages are in which state, what holds the rest, and when that is done, roughly."""

    batch_id: str
    session_id: str
    user_id: str | None
    name: str | None
    state: BatchState
    accepted: int
    rejected: Mapping[str, int]
    counts: Mapping[MessageStatus, int]
    hold: HoldOut | None
    reply_share: float | None
    estimated_at: Timestamp | None
    created_at: Timestamp
    send_after: Timestamp | None
    expires_at: Timestamp
    ended_at: Timestamp | None


class BatchPage(Out):
    """Some batches, newest first; `next_cursor` is null on the last page."""

    batches: Sequence[BatchOut]
    next_cursor: str | None


def message_out(view: MessageView) -> MessageOut:
    """Return a message as callers get it."""
    message = view.message
    origin, times, error = message.origin, message.times, message.error
    return MessageOut(
        message_id=message.message_id,
        session_id=origin.session_id,
        user_id=origin.user_id,
        batch_id=origin.batch_id or None,
        reference=origin.reference,
        route=origin.route,
        priority="low" if origin.priority else "normal",
        to=message.recipient.to,
        chat_id=message.recipient.chat_id,
        kind=message.kind,
        status=message.status,
        hold=hold_out(view.hold),
        error_code=error.code if error else None,
        error_detail=error.detail if error else None,
        whatsapp_message_id=message.whatsapp_message_id,
        attempts=[_attempt_out(each) for each in view.attempts],
        position=view.position,
        estimated_at=timestamp(view.estimated_at),
        is_first_contact=message.recipient.is_first_contact,
        ack_overdue=message.ack_overdue,
        replaces=origin.replaces,
        created_at=iso8601(times.created_at),
        send_after=timestamp(times.send_after),
        expires_at=iso8601(times.expires_at),
        sent_at=timestamp(times.sent_at),
        delivered_at=timestamp(times.delivered_at),
        read_at=timestamp(times.read_at),
        ended_at=timestamp(times.ended_at),
    )


def batch_out(view: BatchView) -> BatchOut:
    """Return a batch as callers get it."""
    facts = view.facts
    batch = facts.batch
    return BatchOut(
        batch_id=batch.batch_id,
        session_id=batch.origin.session_id,
        user_id=batch.origin.user_id,
        name=batch.origin.name,
        state=batch.state,
        accepted=batch.accepted_count,
        rejected=batch.rejected,
        counts=facts.counts,
        hold=hold_out(view.hold),
        reply_share=facts.reply_share,
        estimated_at=timestamp(view.estimated_at),
        created_at=iso8601(batch.created_at),
        send_after=timestamp(batch.terms.send_after),
        expires_at=iso8601(batch.terms.expires_at),
        ended_at=timestamp(batch.ended_at),
    )


def hold_out(hold: Hold | None) -> HoldOut | None:
    """Return why something waits, as callers get it."""
    return None if hold is None else HoldOut(code=hold.code, detail=hold.detail, until=timestamp(hold.until))


def _attempt_out(attempt: Attempt) -> AttemptOut:
    return AttemptOut(
        at=iso8601(attempt.at),
        outcome=attempt.outcome,
        http_status=attempt.http_status,
        code=attempt.code,
        next_at=timestamp(attempt.next_at),
    )
