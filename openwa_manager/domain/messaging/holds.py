"""Why a session's messages wait: the strongest reason counts, for one that outlasts the others is the one to mend."""

from collections.abc import Iterator, Mapping

from openwa_manager.domain.messaging.messages import Hold, HoldCode
from openwa_manager.domain.messaging.restrictions import stops_all
from openwa_manager.domain.session.session import Status
from openwa_manager.domain.values import dataclass

_NOT_CONNECTED: Mapping[Status, str] = {
    Status.STOPPED: "the session is stopped; start it",
    Status.FAILED: "the session has failed; its timeline says why",
    Status.LOGGED_OUT: "the number is not linked any more; start the session and scan its code",
    Status.BANNED: "WhatsApp has banned the number",
    Status.QR_READY: "the code has not been scanned yet",
}


#: The holds that a person should know of: they do not end with what else is told of the session.
SERIOUS = frozenset(
    {
        HoldCode.RESTORED,
        HoldCode.NUMBER_CHANGED,
        HoldCode.OPT_OUT_FLOOD,
        HoldCode.AWAITING_ACKS,
        HoldCode.RESTRICTED,
        HoldCode.STORAGE_FULL,
        HoldCode.BREAKER_OPEN,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """A time in the future (wall time; None: not known) and words for people."""

    at: float | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFacts:
    """What may hold a session's queue at one moment; None or False: it does not.

    `held` is a hold that a person or a proof must end, `limit` what WhatsApp took from the account (its kind and end).
    `is_linked` tells that its engine has a link, `status` what the session is called. `refused` is the engine saying
    that it is not connected, against what we see.
    """

    status: Status
    is_linked: bool
    held: Hold | None = None
    is_paused: bool = False
    limit_kind: str | None = None
    limit_until: float | None = None
    refused: Until | None = None
    disk_full: Until | None = None
    odd_clock: Until | None = None
    engine_limited: Until | None = None
    breaker: Until | None = None


def session_hold(facts: QueueFacts) -> Hold | None:
    """Return what holds all messages of the session; None: nothing does."""
    return next(_holds(facts), None)


def _holds(facts: QueueFacts) -> Iterator[Hold]:
    """Yield the holds, the strongest first: those that people must end, then those that last longest."""
    held = facts.held.code if facts.held else None
    if facts.held is not None and held is not HoldCode.AWAITING_ACKS:
        yield facts.held
    if facts.is_paused:
        yield Hold(code=HoldCode.QUEUE_PAUSED, detail="the queue is paused; resume it")
    if facts.held is not None:
        yield facts.held
    if facts.limit_kind is not None and stops_all(facts.limit_kind):
        detail = f"WhatsApp lets the account write to nobody ({facts.limit_kind})"
        yield Hold(code=HoldCode.RESTRICTED, detail=detail, until=facts.limit_until)
    if not facts.is_linked:
        detail = _NOT_CONNECTED.get(facts.status, f"the session is {facts.status.value}")
        yield Hold(code=HoldCode.NOT_CONNECTED, detail=detail)
    timed: tuple[tuple[HoldCode, Until | None], ...] = (
        (HoldCode.NOT_CONNECTED, facts.refused),
        (HoldCode.STORAGE_FULL, facts.disk_full),
        (HoldCode.CLOCK, facts.odd_clock),
        (HoldCode.ENGINE_LIMITED, facts.engine_limited),
        (HoldCode.BREAKER_OPEN, facts.breaker),
    )
    for code, until in timed:
        if until is not None:
            yield Hold(code=code, detail=until.detail, until=until.at)


def first_contact_hold(facts: QueueFacts, cap: Until | None) -> Hold | None:
    """Return what holds first contacts beside that; `cap` is when more of them are allowed (None: now)."""
    if facts.limit_kind is not None and not stops_all(facts.limit_kind):
        detail = f"WhatsApp lets the account write to nobody new ({facts.limit_kind})"
        return Hold(code=HoldCode.RESTRICTED, detail=detail, until=facts.limit_until)
    if cap is not None:
        return Hold(code=HoldCode.FIRST_CONTACT_CAP, detail=cap.detail, until=cap.at)
    return None
