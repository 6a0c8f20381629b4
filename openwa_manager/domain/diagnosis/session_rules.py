"""What is wrong with one session: read from its state, its queue, and what became of its messages."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Final

from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.diagnosis.table import found
from openwa_manager.domain.messaging.media_problems import MediaProblem, problem_in
from openwa_manager.domain.messaging.messages import Hold, HoldCode, MessageStatus
from openwa_manager.domain.messaging.outcomes import SendCode
from openwa_manager.domain.session.launch_facts import StillWaiting
from openwa_manager.domain.session.reasons import SENTENCES, Reason, ReasonCode
from openwa_manager.domain.session.session import ProcessState, Session, Status
from openwa_manager.domain.times import iso8601
from openwa_manager.domain.values import dataclass

#: An engine that comes up, or a code that is made, takes some seconds; nothing is said of that.
EXPECTED_S: Final = 10.0
#: So many messages that did not get through, and such a share of them, are more than some wrong numbers.
_FAILING_COUNT, _FAILING_SHARE = 5, 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedMessages:
    """So many messages ended in this state for the same reason within the last hour."""

    status: MessageStatus
    code: str
    detail: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """So many messages were refused with this code, the first of them at wall time `since`; none was taken in."""

    code: str
    count: int
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """What is known of a session at wall time `at`.

    `waiting` counts its messages by what holds them (None: nothing does), `hold` is what holds all of them.
    `failure_share` is that of the last hour's messages (None: none ended).
    """

    session: Session
    at: float
    hold: Hold | None = None
    waiting: Mapping[HoldCode | None, int] = field(default_factory=dict)
    failure_share: float | None = None
    endings: Sequence[EndedMessages] = ()
    refusals: Sequence[Refusal] = ()


def session_findings(facts: SessionFacts) -> Iterator[Finding]:
    """Yield what is to be said of a session; of one that is well too."""
    yield _of_state(facts)
    yield from _of_queue(facts)
    yield from _of_refusals(facts)
    yield from _of_endings(facts)


#: What a reason is found as, whatever the session's status; of the others the status tells.
OF_REASON: Final[Mapping[ReasonCode, str]] = {
    ReasonCode.QUEUED: "start_waits",
    ReasonCode.MEMORY_LOW: "host_short",
    ReasonCode.DISK_FULL: "host_short",
    ReasonCode.HOST_LIMIT: "host_short",
    ReasonCode.LAUNCH_FAILED: "launch_failed",
    ReasonCode.PORT_IN_USE: "launch_failed",
    ReasonCode.OWNED_ELSEWHERE: "owned_elsewhere",
    ReasonCode.ENGINE_DATA_LOST: "engine_data_lost",
    ReasonCode.ENGINE_EXITED: "engine_crashes",
    ReasonCode.CRASH_LOOP: "engine_crashes",
    ReasonCode.MEMORY_LIMIT: "engine_crashes",
    ReasonCode.BOOT_TIMEOUT: "engine_silent",
    ReasonCode.ENGINE_UNRESPONSIVE: "engine_silent",
    ReasonCode.QR_NOT_PRODUCED: "no_code_came",
    ReasonCode.QR_EXPIRED: "code_expired",
    ReasonCode.LINK_TIMEOUT: "scan_not_connected",
    ReasonCode.REPLACED: "replaced",
    ReasonCode.RESTRICTED: "restricted",
    ReasonCode.ACTION_REQUIRED: "action_required",
    ReasonCode.WRONG_NUMBER: "wrong_number",
    ReasonCode.BANNED: "banned",
    ReasonCode.LOGGED_OUT: "logged_out",
    ReasonCode.NETWORK: "link_down",
    ReasonCode.HOST_OFFLINE: "host_offline",
}
#: What a status is found as that no such reason explains.
_OF_STATUS: Final[Mapping[Status, str]] = {
    Status.BANNED: "banned",
    Status.LOGGED_OUT: "logged_out",
    Status.FAILED: "session_failed",
    Status.RESTARTING: "engine_crashes",
    Status.DISCONNECTED: "link_down",
    Status.STOPPED: "stopped",
}
#: The account's own trouble: also while the session is connected.
_WHILE_CONNECTED: Final = frozenset({"restricted", "action_required"})


def _of_state(facts: SessionFacts) -> Finding:
    session = facts.session
    reason, status = session.reason, session.status
    detail = reason.detail if reason else status.value
    code = OF_REASON.get(_cause_of(session, reason)) if reason else None
    if status is Status.CONNECTED:
        code = code if code in _WHILE_CONNECTED else None
        return _said(code, session, detail) if code else _said("well", session, "connected")
    if status is Status.QR_READY and session.qr is not None:
        return _said("code_shown", session, detail)
    if reason and reason.code is ReasonCode.QR_NOT_PRODUCED and isinstance(reason.facts, StillWaiting):
        return _of_start(facts, detail)  # the code is what it will be ended for, if nothing comes
    code = code or _OF_STATUS.get(status)
    return _said(code, session, detail) if code else _of_start(facts, detail)


def _cause_of(session: Session, reason: Reason) -> ReasonCode:
    """Return what a reason comes down to: of a loop of crashes that is what the last one died of."""
    is_loop = reason.code is ReasonCode.CRASH_LOOP
    return session.restarts.last_reason or reason.code if is_loop else reason.code


def _of_start(facts: SessionFacts, detail: str) -> Finding:
    session = facts.session
    is_coming_up = session.process in (ProcessState.STARTING, ProcessState.RUNNING)
    since = session.launch.launched_at if session.launch else session.updated_at
    for_s = max(0.0, facts.at - since)
    if not is_coming_up or for_s < EXPECTED_S or session.status is Status.AUTHENTICATING:
        return _said("well", session, f"is {session.status.value}")
    if session.restarts.last_reason is ReasonCode.LINK_TIMEOUT:  # and no code was shown since
        return _said("scan_not_connected", session, SENTENCES[ReasonCode.LINK_TIMEOUT])
    code = "engine_booting" if session.process is ProcessState.STARTING else "no_code_yet"
    return found(code, session.session_id, detail=detail, for_s=for_s)


def _said(code: str, session: Session, detail: str) -> Finding:
    return found(code, session.session_id, detail=detail)


OF_HOLD: Final[Mapping[HoldCode | None, str]] = {
    None: "waiting",
    HoldCode.RESTORED: "held_restored",
    HoldCode.NUMBER_CHANGED: "held_number_changed",
    HoldCode.OPT_OUT_FLOOD: "held_opt_out_flood",
    HoldCode.QUEUE_PAUSED: "held_paused",
    HoldCode.AWAITING_ACKS: "held_awaiting_acks",
    HoldCode.RESTRICTED: "held_restricted",
    HoldCode.NOT_CONNECTED: "held_not_connected",
    HoldCode.STORAGE_FULL: "held_storage_full",
    HoldCode.CLOCK: "held_clock",
    HoldCode.ENGINE_LIMITED: "held_rate_limited",
    HoldCode.BREAKER_OPEN: "held_breaker",
    HoldCode.BATCH_PAUSED: "held_batch_paused",
    HoldCode.FIRST_CONTACT_CAP: "held_cap",
    HoldCode.SEND_AFTER: "held_for_time",
    HoldCode.RETRYING: "held_for_time",
    HoldCode.QUIET_HOURS: "held_for_time",
    HoldCode.CHECKING: "held_for_time",
}


def _of_queue(facts: SessionFacts) -> Iterator[Finding]:
    for code, count in facts.waiting.items():
        hold = facts.hold if facts.hold is not None and facts.hold.code is code else None
        detail = (hold.detail if hold else "") or (code.value if code else "")
        yield found(OF_HOLD[code], facts.session.session_id, count=count, detail=detail)


#: Refusals of a caller's request that leave no message behind.
REFUSALS: Final[Mapping[str, str]] = {
    "invalid_recipient": "refused_recipient",
    "opted_out": "refused_opted_out",
    "quota_exceeded": "refused_quota",
    "first_contact_cap": "refused_cap",
    "queue_full": "refused_queue_full",
}


def _of_refusals(facts: SessionFacts) -> Iterator[Finding]:
    for each in facts.refusals:
        since = iso8601(each.since)
        yield found(REFUSALS[each.code], facts.session.session_id, count=each.count, since=since)


_OF_MEDIA: Final[Mapping[MediaProblem, str]] = {
    MediaProblem.UNRESOLVED: "media_unresolved",
    MediaProblem.PRIVATE: "media_private",
    MediaProblem.REFUSED: "media_refused",
    MediaProblem.UNFIT: "media_unfit",
    MediaProblem.UNREACHABLE: "media_unreachable",
}
_OF_SEND: Final[Mapping[str, str]] = {
    SendCode.NOT_ON_WHATSAPP: "not_on_whatsapp",
    SendCode.BLOCKED: "blocked",
    SendCode.MEDIA_TOO_LARGE: "media_unfit",
    SendCode.MEDIA_UNSUPPORTED: "media_unfit",
    SendCode.MEDIA_REFUSED: "media_unfit",
}
_OF_ENDING: Final[Mapping[MessageStatus, str]] = {
    MessageStatus.EXPIRED: "messages_expired",
    MessageStatus.UNKNOWN: "messages_unknown",
}
_FAILURES: Final = frozenset({MessageStatus.FAILED, MessageStatus.BOUNCED, MessageStatus.UNKNOWN})


def _of_endings(facts: SessionFacts) -> Iterator[Finding]:
    counts: Counter[str] = Counter()
    details: dict[str, str] = {}
    for each in facts.endings:
        code = _ending_code(each)
        counts[code] += each.count
        details.setdefault(code, each.detail or each.code)
    session_id = facts.session.session_id
    yield from _failure_rate(facts)
    for code, count in counts.items():
        yield found(code, session_id, count=count, detail=details[code])


def _ending_code(ending: EndedMessages) -> str:
    if ending.code == SendCode.MEDIA_UNAVAILABLE:
        return _OF_MEDIA[problem_in(ending.detail)]
    return _OF_SEND.get(ending.code) or _OF_ENDING.get(ending.status, "messages_failed")


def _failure_rate(facts: SessionFacts) -> Iterator[Finding]:
    failed = [each for each in facts.endings if each.status in _FAILURES]
    count, share = sum(each.count for each in failed), facts.failure_share or 0.0
    if count < _FAILING_COUNT or share < _FAILING_SHARE:
        return
    codes: Counter[str] = Counter()
    for each in failed:
        codes[each.code] += each.count
    most, _ = codes.most_common(1)[0]
    yield found("high_failure_rate", facts.session.session_id, percent=share * 100, detail=most)
