"""The writes by which a batch is taken in: begun, staged slice by slice, and then there for everybody at once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.errors import (
    BatchNameTakenError,
    IdempotencyMismatchError,
    InvalidRecipientError,
    SessionNotFoundError,
)
from openwa_manager.domain.messaging.batches import (
    Batch,
    BatchOrigin,
    BatchState,
    BatchTerms,
    Rejection,
    RejectionCode,
)
from openwa_manager.domain.messaging.messages import (
    BatchId,
    MessageError,
    MessageId,
    MessageStatus,
    Move,
    Origin,
    Recipient,
    SendRoute,
    Times,
)
from openwa_manager.domain.messaging.recipients import chat_id_of
from openwa_manager.domain.messaging.words import ENDS, EndCode
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.acceptance.drafts import BulkDraft, Draft
from openwa_manager.services.messaging.acceptance.preparing import BatchCandidate, Prepared
from openwa_manager.services.messaging.acceptance.rules import (
    Rules,
    Timing,
    quota_error,
    require_room,
    require_room_for_batch,
    require_session,
)
from openwa_manager.store.database import Connection
from openwa_manager.store.ids import new_id
from openwa_manager.store.messaging import batches, idempotency, moves, quotas
from openwa_manager.store.messaging.idempotency import Key, KeyScope, Remembered
from openwa_manager.store.messaging.messages import NewMessage
from openwa_manager.store.messaging.people.suppressions import CANCELLED_MAX, added_since

#: The wall clock may be set back by so much while a batch is taken in, and no opt-out is missed.
_CLOCK_MAY_STEP_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """A batch that is about to be taken in at wall time `now`; `key` None: its caller gave none."""

    batch_id: BatchId
    origin: BatchOrigin
    terms: BatchTerms
    prepared: Prepared
    now: float
    quota_month: str | None
    key: Key | None
    body_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """Which messages the quota has room for, which others were not taken, and what is left of it (None: no limit)."""

    taken: Sequence[BatchCandidate]
    rejected: Sequence[Rejection]
    quota_left: int | None


def begin(connection: Connection, plan: BatchPlan, rules: Rules) -> Granted:
    """Keep a batch that nobody sees yet, with its key and what it takes of the quota.

    Raises:
        SessionNotFoundError: the session has been deleted meanwhile.
        QueueFullError: too many messages wait already.
        QuotaExceededError: the user's month is used up.
        IdempotencyMismatchError: a message was handed over under the key meanwhile.
        BatchNameTakenError: another batch of the gateway's has its name.
    """
    if plan.key is not None and idempotency.find_key(connection, plan.key) is not None:
        raise IdempotencyMismatchError("this Idempotency-Key stood with another body before: take a new one")
    session_id, taken = plan.origin.session_id, plan.prepared.taken
    require_session(connection, session_id)
    require_room_for_batch(connection, session_id, rules.limits)
    require_room(connection, session_id, len(taken), plan.prepared.size_bytes, rules.limits)
    granted_count, quota_left = len(taken), None
    if plan.quota_month is not None:
        granted_count = quotas.reserve(connection, plan.origin.user_key, plan.quota_month, len(taken))
        quota_left = quotas.read_quota(connection, plan.origin.user_key, plan.quota_month).left
    if taken and not granted_count:
        raise quota_error(plan.now, rules)
    granted = grant(plan.prepared, granted_count, quota_left)
    batches.add_batch(connection, _batch_of(plan, granted))
    if plan.key is not None:
        asked = Remembered(body_sha256=plan.body_sha256, target=plan.batch_id)
        idempotency.remember_key(connection, plan.key, asked, plan.now)
    if plan.origin.route is SendRoute.GATEWAY and plan.origin.name is not None:
        _remember_name(connection, plan, plan.origin.name)
    return granted


def _remember_name(connection: Connection, plan: BatchPlan, name: str) -> None:
    """Remember a batch by the id that its caller gave it."""
    key = Key(session_id=plan.origin.session_id, scope=KeyScope.GATEWAY_BATCH, value=name)
    if idempotency.find_key(connection, key) is not None:
        raise BatchNameTakenError(name)
    named = Remembered(body_sha256=plan.body_sha256, target=plan.batch_id)
    idempotency.remember_key(connection, key, named, plan.now)


def grant(prepared: Prepared, granted_count: int, quota_left: int | None) -> Granted:
    """Take as many messages as there is quota for, in their order; the others are rejected."""
    beyond = [
        Rejection(
            index=each.index,
            code=RejectionCode.QUOTA_EXCEEDED,
            detail="the user's quota of this month is used up",
        )
        for each in prepared.taken[granted_count:]
    ]
    rejected = sorted([*prepared.rejected, *beyond], key=lambda each: each.index)
    return Granted(taken=prepared.taken[:granted_count], rejected=rejected, quota_left=quota_left)


def _batch_of(plan: BatchPlan, granted: Granted) -> Batch:
    is_gateways = plan.origin.route is SendRoute.GATEWAY  # it keeps them as messages
    return Batch(
        batch_id=plan.batch_id,
        origin=plan.origin,
        state=BatchState.STAGING,
        terms=plan.terms,
        accepted_count=len(granted.taken),
        created_at=plan.now,
        rejected=Counter() if is_gateways else Counter(each.code.value for each in granted.rejected),
        quota_month=plan.quota_month,
    )


def kept_of(plan: BatchPlan, bulk: BulkDraft, granted: Granted) -> Sequence[BatchCandidate]:
    """Return the messages that are kept: those that are taken, in a batch of the gateway's also those that are not."""
    if plan.origin.route is not SendRoute.GATEWAY:
        return granted.taken
    refused = (_refused(plan, bulk.drafts[each.index], each) for each in granted.rejected)
    return sorted([*granted.taken, *refused], key=lambda each: each.index)


def _refused(plan: BatchPlan, draft: Draft, refusal: Rejection) -> BatchCandidate:
    return BatchCandidate(
        index=refusal.index,
        message_id=MessageId(new_id("msg", plan.now)),
        to=draft.to,
        chat_id=_chat_of(draft.to),
        body=draft.body,
        timing=Timing(send_after=None, expires_at=plan.terms.expires_at),
        is_first_contact=False,
        refusal=refusal,
    )


def _chat_of(to: str) -> str:
    try:
        return chat_id_of(to)
    except InvalidRecipientError:
        return to


def new_messages(plan: BatchPlan, candidates: Sequence[BatchCandidate]) -> Iterator[NewMessage]:
    """Go through the messages as they are kept."""
    origin = Origin(
        session_id=plan.origin.session_id,
        user_id=plan.origin.user_id,
        batch_id=plan.batch_id,
        route=plan.origin.route,
    )
    for each in candidates:
        yield NewMessage(
            origin=replace(origin, reference=each.reference, priority=each.priority),
            recipient=Recipient(to=each.to, chat_id=each.chat_id, is_first_contact=each.is_first_contact),
            body=each.body,
            times=Times(created_at=plan.now, send_after=each.timing.send_after, expires_at=each.timing.expires_at),
            hold=each.timing.hold(plan.now),
            quota_month=plan.quota_month if each.refusal is None else None,
            message_id=each.message_id,
            is_body_kept=each.refusal is None,
        )


def finish(
    connection: Connection, plan: BatchPlan, kept: Sequence[BatchCandidate], answer: bytes
) -> tuple[None, Sequence[Event]]:
    """Let everybody see the batch, and return the events of those who opted out while it was taken in.

    What was refused has failed, in the order of the batch: it may stop at the first of them.

    Raises:
        SessionNotFoundError: the session has been deleted meanwhile.
    """
    require_session(connection, plan.origin.session_id)
    if not batches.publish(connection, plan.batch_id):
        raise SessionNotFoundError("the batch was removed while it was taken in")
    if plan.key is not None:
        idempotency.set_answer(connection, plan.key, 202, answer)
    late = added_since(connection, plan.origin.user_key, plan.now - _CLOCK_MAY_STEP_S)
    events: list[Event] = []
    refused = [(each.message_id, _failed(each.refusal, plan.now)) for each in kept if each.refusal]
    unwanted = [each.message_id for each in kept if each.chat_id in late] if late else []
    called_off = [(each, _opted_out(plan.now)) for each in unwanted[:CANCELLED_MAX]]  # the others when their turns come
    for message_id, step in (*refused, *called_off):
        moved = moves.move(connection, message_id, step)
        events += moved.events if moved else ()
    return None, events


def _failed(refusal: Rejection, at: float) -> Move:
    return Move(to=MessageStatus.FAILED, at=at, error=MessageError(code=refusal.code, detail=refusal.detail))


def _opted_out(at: float) -> Move:
    error = MessageError(code=EndCode.OPTED_OUT, detail=ENDS[EndCode.OPTED_OUT])
    return Move(to=MessageStatus.CANCELLED, at=at, error=error, by_us=True)
