"""What follows the verdict on an attempt: the message's next step, and what is recorded of the attempt."""

from typing import assert_never

from openwa_manager.domain.messaging.messages import (
    AttemptOutcome,
    Hold,
    HoldCode,
    MessageError,
    MessageStatus,
    Move,
)
from openwa_manager.domain.messaging.outcomes import (
    Bounced,
    EngineLimited,
    Failed,
    NotConnected,
    SendCode,
    Sent,
    TryAgain,
    Uncertain,
    Verdict,
)
from openwa_manager.domain.messaging.restrictions import AccountRestricted
from openwa_manager.domain.messaging.retries import (
    AskAgain,
    AskedBefore,
    EngineMemory,
    RetryPolicy,
    after_try_again,
    after_uncertain,
)
from openwa_manager.domain.values import dataclass

_S = MessageStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedAttempt:
    """An attempt that has ended: what was asked before, and the memory there is now.

    `caller_waits` tells that a caller holds the answer. `memory_now` None: no engine can say.
    `restriction` is what WhatsApp was found to have taken from the account.
    """

    before: AskedBefore
    memory_now: EngineMemory | None = None
    restriction: AccountRestricted | None = None
    caller_waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What follows: the message's step (None: it stays `sending`), and what is recorded of the attempt.

    `next_at` is when it is asked of an engine again (wall time).
    """

    step: Move | None
    outcome: AttemptOutcome
    code: str | None = None
    next_at: float | None = None


def follow(  # noqa: PLR0911 (a table: one row for each verdict)
    verdict: Verdict, asked: EndedAttempt, now: float, policy: RetryPolicy
) -> Followed:
    """Return what follows a verdict at wall time `now`.

    A message whose caller waits is never asked again: he holds the answer, and decides.
    """
    match verdict:
        case Sent(message_id=message_id):
            step = Move(to=_S.SENT, at=now, whatsapp_message_id=message_id)
            return Followed(step=step, outcome=AttemptOutcome.SENT)
        case NotConnected(detail=detail):
            return _not_taken(HoldCode.NOT_CONNECTED, detail, asked, now)
        case EngineLimited(detail=detail):
            return _not_taken(HoldCode.ENGINE_LIMITED, detail, asked, now)
        case TryAgain():
            return _put_off(verdict, asked, now, policy)
        case Failed(code=code, detail=detail):
            return _ended(_S.FAILED, AttemptOutcome.REFUSED, code, detail, now)
        case Bounced(code=code, detail=detail):
            return _ended(_S.BOUNCED, AttemptOutcome.REFUSED, code, detail, now)
        case Uncertain():
            return _uncertain(verdict, asked, now, policy)
        case _:
            assert_never(verdict)


def _not_taken(code: HoldCode, detail: str, asked: EndedAttempt, now: float) -> Followed:
    """Put the message back in its place: nothing was tried."""
    if asked.caller_waits:
        error = MessageError(code=code, detail=detail)
        return Followed(step=Move(to=_S.FAILED, at=now, error=error), outcome=AttemptOutcome.NOT_TAKEN, code=code)
    return Followed(step=Move(to=_S.QUEUED, at=now), outcome=AttemptOutcome.NOT_TAKEN, code=code)


def _put_off(verdict: TryAgain, asked: EndedAttempt, now: float, policy: RetryPolicy) -> Followed:
    at = None if asked.caller_waits else after_try_again(verdict, asked.before.attempts, now, policy)
    if at is None:
        return _ended(_S.FAILED, AttemptOutcome.PUT_OFF, SendCode.ENGINE_BUSY, verdict.detail, now)
    return _waiting(AttemptOutcome.PUT_OFF, SendCode.ENGINE_BUSY, verdict.detail, now, at)


def _uncertain(verdict: Uncertain, asked: EndedAttempt, now: float, policy: RetryPolicy) -> Followed:
    if asked.restriction is not None and asked.restriction.is_proof:
        return _not_taken(HoldCode.RESTRICTED, f"{asked.restriction.kind}: {verdict.detail}", asked, now)
    if asked.caller_waits:
        return _ended(_S.UNKNOWN, AttemptOutcome.UNCERTAIN, verdict.code, verdict.detail, now)
    next_ = after_uncertain(verdict, asked.before, asked.memory_now, now, policy)
    if not isinstance(next_, AskAgain):
        detail = verdict.detail if next_.detail == verdict.detail else f"{verdict.detail} ({next_.detail})"
        return _ended(_S.UNKNOWN, AttemptOutcome.UNCERTAIN, verdict.code, detail, now)
    if not next_.with_key:
        return _waiting(AttemptOutcome.UNCERTAIN, verdict.code, verdict.detail, now, next_.at)
    return Followed(step=None, outcome=AttemptOutcome.UNCERTAIN, code=verdict.code, next_at=next_.at)


def _waiting(outcome: AttemptOutcome, code: SendCode, detail: str, now: float, at: float) -> Followed:
    hold = Hold(code=HoldCode.RETRYING, detail=detail, until=at)
    step = Move(to=_S.QUEUED, at=now, hold=hold, due_at=at)
    return Followed(step=step, outcome=outcome, code=code, next_at=at)


def _ended(to: MessageStatus, outcome: AttemptOutcome, code: SendCode, detail: str, now: float) -> Followed:
    step = Move(to=to, at=now, error=MessageError(code=code, detail=detail))
    return Followed(step=step, outcome=outcome, code=code)
