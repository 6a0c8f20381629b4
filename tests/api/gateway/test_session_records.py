from dataclasses import replace

import pytest

from openwa_manager.api.gateway.session_records import is_loaded, openwa_status, session_record, sessions_overview
from openwa_manager.domain.session.reasons import Facts, Reason, ReasonCode, Restriction, Words
from openwa_manager.domain.session.session import After, Ending, LinkState, ProcessState, Session, SessionId, Spec

SESSION = Session(
    session_id=SessionId("acme"),
    spec=Spec(engine="openwa"),
    engine_key="k",
    created_at=1_800_000_000.0,
    updated_at=1_800_000_001.5,
    launch_count=1,
)


def session_in(process: ProcessState, link: LinkState = LinkState.UNKNOWN, code: ReasonCode | None = None) -> Session:
    reason = Reason(code=code, at=0.0) if code else None
    return replace(SESSION, process=process, link=link, reason=reason)


def ending(after: After) -> Session:
    return replace(
        session_in(ProcessState.STOPPING),
        ending=Ending(after=after, cause=ReasonCode.REQUESTED),
        link=LinkState.UNKNOWN,
    )


@pytest.mark.parametrize(
    ("session", "word", "loaded"),
    [
        (replace(SESSION, launch_count=0), "created", False),
        (SESSION, "disconnected", False),
        (session_in(ProcessState.STARTING), "initializing", True),
        (session_in(ProcessState.RUNNING), "initializing", True),
        (session_in(ProcessState.RUNNING, LinkState.QR_READY), "qr_ready", True),
        (session_in(ProcessState.RUNNING, LinkState.AUTHENTICATING), "authenticating", True),
        (session_in(ProcessState.RUNNING, LinkState.CONNECTED), "ready", True),
        (session_in(ProcessState.RUNNING, LinkState.DISCONNECTED), "disconnected", True),
        (session_in(ProcessState.RUNNING, LinkState.DISCONNECTED, ReasonCode.NETWORK), "disconnected", True),
        (session_in(ProcessState.RUNNING, LinkState.DISCONNECTED, ReasonCode.REPLACED), "failed", True),
        (
            session_in(ProcessState.RUNNING, LinkState.DISCONNECTED, ReasonCode.ACTION_REQUIRED),
            "action_required",
            True,
        ),
        (session_in(ProcessState.BACKOFF), "disconnected", True),
        (session_in(ProcessState.FAILED, code=ReasonCode.CRASH_LOOP), "failed", False),
        (session_in(ProcessState.STOPPED, LinkState.BANNED, ReasonCode.BANNED), "failed", False),
        (session_in(ProcessState.STOPPED, LinkState.LOGGED_OUT, ReasonCode.LOGGED_OUT), "disconnected", False),
        (ending(After.STAY_STOPPED), "disconnected", False),
        (ending(After.DELETE), "disconnected", False),
        (ending(After.START_AGAIN), "disconnected", True),
        (ending(After.BACK_OFF), "disconnected", True),
    ],
)
def test_every_state_of_ours_has_a_word_of_openwas(session: Session, word: str, loaded: bool) -> None:
    assert (openwa_status(session), is_loaded(session)) == (word, loaded)


@pytest.mark.parametrize(
    ("session", "error"),
    [
        (session_in(ProcessState.FAILED, code=ReasonCode.CRASH_LOOP), "the engine crashed again and again"),
        (session_in(ProcessState.FAILED), None),
        (session_in(ProcessState.RUNNING, LinkState.DISCONNECTED, ReasonCode.NETWORK), None),
    ],
)
def test_an_error_is_told_while_there_is_trouble(session: Session, error: str | None) -> None:
    assert session_record(session)["lastError"] == error


@pytest.mark.parametrize(
    ("facts", "restriction"),
    [
        (
            Restriction(kind="reachout_timelock", code="BIZ_QUALITY", expires_at="2026-11-22T08:22:16.675Z"),
            {"kind": "reachout_timelock", "code": "BIZ_QUALITY", "expiresAt": "2026-11-22T08:22:16.675Z"},
        ),
        (Restriction(kind="proxy_block"), {"kind": "proxy_block", "code": "proxy_block", "expiresAt": None}),
        (Words(text="as an older version stored it"), {"kind": "unknown", "code": "unknown", "expiresAt": None}),
    ],
)
def test_a_restriction_is_told_in_its_parts(facts: Facts, restriction: object) -> None:
    reason = Reason(code=ReasonCode.RESTRICTED, facts=facts, at=0.0)
    session = replace(session_in(ProcessState.RUNNING, LinkState.CONNECTED), reason=reason)

    record = session_record(session)

    assert (record["status"], record["restriction"]) == ("ready", restriction)


def test_an_empty_host_has_an_overview_too() -> None:
    assert sessions_overview([], 0) == {
        "total": 0,
        "active": 0,
        "ready": 0,
        "disconnected": 0,
        "byStatus": {},
        "memoryUsage": {"heapUsed": 0, "heapTotal": 0, "rss": 0},
    }
