"""Each state, hold and ending has a finding; what is provoked with a real daemon is in tests/e2e/test_doctor.py."""

from dataclasses import replace

import pytest

from openwa_manager.domain.diagnosis.session_rules import EndedMessages, Refusal, SessionFacts, session_findings
from openwa_manager.domain.messaging.messages import Hold, HoldCode, MessageStatus
from openwa_manager.domain.messaging.outcomes import SendCode
from openwa_manager.domain.session.launch_facts import StillWaiting, WaitsFor
from openwa_manager.domain.session.reasons import Reason, ReasonCode
from openwa_manager.domain.session.session import (
    Launch,
    LaunchId,
    LinkState,
    ProcessState,
    Qr,
    Restarts,
    Session,
    SessionId,
    Spec,
    Status,
)

AT = 1_000.0
SESSION = Session(
    session_id=SessionId("user_1"), spec=Spec(engine="simulator"), engine_key="k", created_at=0.0, updated_at=0.0
)
LAUNCH = Launch(launch_id=LaunchId("l"), number=1, port=1, secret="s", cause=ReasonCode.REQUESTED, launched_at=900.0)
RUNNING = replace(SESSION, process=ProcessState.RUNNING, launch=LAUNCH)
CONNECTED = replace(RUNNING, link=LinkState.CONNECTED)
NO_CODE_YET = Reason(code=ReasonCode.QR_NOT_PRODUCED, facts=StillWaiting(what=WaitsFor.CODE, waited_s=10.0), at=AT)
STILL_NOT_CONNECTED = replace(
    NO_CODE_YET, code=ReasonCode.LINK_TIMEOUT, facts=StillWaiting(what=WaitsFor.CODE, waited_s=10.0)
)
AFTER_A_SCAN = Restarts(count=1, last_reason=ReasonCode.LINK_TIMEOUT)
QR = Qr(seq=1, attempt=1, sha256="x", produced_at=0.0, expires_at=60.0)


def codes(session: Session = CONNECTED, **facts: object) -> list[str]:
    found = session_findings(SessionFacts(session=session, at=AT, **facts))  # type: ignore[arg-type]  # real fields
    return [each.code for each in found]


def because(session: Session, code: ReasonCode) -> Session:
    return replace(session, reason=Reason(code=code, at=AT))


@pytest.mark.parametrize(
    ("session", "code"),
    [
        (CONNECTED, "well"),
        (because(CONNECTED, ReasonCode.RESTRICTED), "restricted"),
        (because(CONNECTED, ReasonCode.ACTION_REQUIRED), "action_required"),
        (because(CONNECTED, ReasonCode.ADOPTED), "well"),
        (replace(RUNNING, link=LinkState.QR_READY, qr=QR), "code_shown"),
        (replace(RUNNING, link=LinkState.QR_READY), "no_code_yet"),
        (replace(RUNNING, reason=NO_CODE_YET), "no_code_yet"),
        (replace(RUNNING, restarts=AFTER_A_SCAN), "scan_not_connected"),
        (replace(RUNNING, reason=NO_CODE_YET, restarts=AFTER_A_SCAN), "scan_not_connected"),
        (replace(RUNNING, reason=STILL_NOT_CONNECTED), "scan_not_connected"),
        (replace(RUNNING, link=LinkState.AUTHENTICATING), "well"),
        (because(replace(RUNNING, link=LinkState.DISCONNECTED), ReasonCode.NETWORK), "link_down"),
        (because(replace(RUNNING, link=LinkState.DISCONNECTED), ReasonCode.HOST_OFFLINE), "host_offline"),
        (because(replace(RUNNING, link=LinkState.DISCONNECTED), ReasonCode.REPLACED), "replaced"),
        (replace(RUNNING, link=LinkState.DISCONNECTED), "link_down"),
        (replace(RUNNING, process=ProcessState.STARTING), "engine_booting"),
        (replace(RUNNING, process=ProcessState.STARTING, launch=replace(LAUNCH, launched_at=AT - 1)), "well"),
        (because(replace(SESSION, process=ProcessState.STARTING), ReasonCode.QUEUED), "start_waits"),
        (because(replace(SESSION, process=ProcessState.STARTING), ReasonCode.DISK_FULL), "host_short"),
        (replace(SESSION, process=ProcessState.STOPPING), "well"),
        (replace(SESSION, process=ProcessState.FAILED), "session_failed"),
        (because(replace(SESSION, process=ProcessState.FAILED), ReasonCode.INTERNAL_ERROR), "session_failed"),
        (because(replace(SESSION, process=ProcessState.FAILED), ReasonCode.CRASH_LOOP), "engine_crashes"),
        (because(replace(SESSION, process=ProcessState.FAILED), ReasonCode.OWNED_ELSEWHERE), "owned_elsewhere"),
        (because(replace(SESSION, process=ProcessState.FAILED), ReasonCode.ENGINE_DATA_LOST), "engine_data_lost"),
        (replace(SESSION, process=ProcessState.BACKOFF), "engine_crashes"),
        (SESSION, "stopped"),
        (because(SESSION, ReasonCode.QR_EXPIRED), "code_expired"),
        (because(replace(SESSION, link=LinkState.LOGGED_OUT), ReasonCode.WRONG_NUMBER), "wrong_number"),
        (replace(SESSION, link=LinkState.BANNED), "banned"),
    ],
)
def test_a_state_is_named(session: Session, code: str) -> None:
    assert codes(session) == [code]


def test_a_loop_of_crashes_is_what_the_last_one_died_of() -> None:
    looping = because(replace(SESSION, process=ProcessState.FAILED), ReasonCode.CRASH_LOOP)

    assert codes(replace(looping, restarts=Restarts(last_reason=ReasonCode.LAUNCH_FAILED))) == ["launch_failed"]


@pytest.mark.parametrize("reason", list(ReasonCode))
@pytest.mark.parametrize("process", list(ProcessState))
def test_every_reason_in_every_state_is_one_finding_in_whole_words(reason: ReasonCode, process: ProcessState) -> None:
    session = because(replace(SESSION, process=process), reason)

    (finding,) = session_findings(SessionFacts(session=session, at=AT))

    assert finding.subject == "user_1"
    assert "{" not in finding.detail + (finding.cure or "")
    assert (finding.cure is not None) or finding.level == "ok"
    assert session.status in Status


@pytest.mark.parametrize("hold", [None, *HoldCode])
def test_every_hold_is_named_with_how_many_wait(hold: HoldCode | None) -> None:
    whole = Hold(code=hold, detail="for a reason") if hold else None

    _, finding = session_findings(SessionFacts(session=CONNECTED, at=AT, hold=whole, waiting={hold: 7}))

    assert finding.code.startswith("held_" if hold else "waiting")
    assert finding.detail.startswith("7 wait")
    assert "{" not in finding.detail + (finding.cure or "")


def ending(status: MessageStatus, code: str, count: int = 1, detail: str = "") -> EndedMessages:
    return EndedMessages(status=status, code=code, detail=detail, count=count)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (ending(MessageStatus.BOUNCED, SendCode.NOT_ON_WHATSAPP), "not_on_whatsapp"),
        (ending(MessageStatus.BOUNCED, SendCode.BLOCKED), "blocked"),
        (ending(MessageStatus.EXPIRED, ""), "messages_expired"),
        (ending(MessageStatus.UNKNOWN, SendCode.NO_ANSWER), "messages_unknown"),
        (ending(MessageStatus.FAILED, SendCode.FORBIDDEN), "messages_failed"),
        (ending(MessageStatus.FAILED, SendCode.MEDIA_TOO_LARGE), "media_unfit"),
    ],
)
def test_an_ending_is_named(found: EndedMessages, code: str) -> None:
    assert codes(endings=[found]) == ["well", code]


@pytest.mark.parametrize(
    ("detail", "code"),
    [
        ("the name of its server is not known", "media_unresolved"),
        ("its address may not be used: 10.0.0.1 is not a public address (x permits it)", "media_private"),
        ("a.example has no public address (x permits it)", "media_private"),
        ("its server answered with status 403", "media_refused"),
        ("it is larger than 16 MiB", "media_unfit"),
        ("it is empty", "media_unfit"),
        ("the file is text/html, which cannot be sent as image", "media_unfit"),
        ("its server cannot be reached", "media_unreachable"),
    ],
)
def test_media_that_could_not_be_had_are_told_apart(detail: str, code: str) -> None:
    failed = ending(MessageStatus.FAILED, SendCode.MEDIA_UNAVAILABLE, detail=detail)

    assert codes(endings=[failed, failed]) == ["well", code]


def test_a_rate_counts_only_when_it_is_high_and_more_than_a_few() -> None:
    bounced = ending(MessageStatus.BOUNCED, SendCode.BLOCKED, 5)
    few = ending(MessageStatus.BOUNCED, SendCode.BLOCKED, 4)

    assert codes(endings=[bounced], failure_share=0.3) == ["well", "high_failure_rate", "blocked"]
    assert codes(endings=[bounced], failure_share=0.29) == ["well", "blocked"]
    assert codes(endings=[few], failure_share=1.0) == ["well", "blocked"]
    assert codes(endings=[bounced], failure_share=None) == ["well", "blocked"]


def test_what_was_refused_is_named_with_its_count() -> None:
    refused = [Refusal(code="invalid_recipient", count=3, since=AT)]

    _, finding = session_findings(SessionFacts(session=CONNECTED, at=AT, refusals=refused))

    assert finding.code == "refused_recipient"
    assert finding.detail.startswith("3 refused since 1970-01-01T00:16:40.000Z")
