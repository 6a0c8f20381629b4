"""A reason: facts for programs, a sentence for people, and no code without one."""

import pytest

from openwa_manager.domain.session.launch_facts import NotUp, Starting, StillWaiting, WaitsFor
from openwa_manager.domain.session.reasons import (
    SENTENCES,
    Exited,
    Facts,
    HostLimit,
    HostLimitReached,
    LinkStayedDown,
    MemoryExcess,
    NotConnected,
    NotEnoughFree,
    NotScanned,
    ProbesMissed,
    Queued,
    Reason,
    ReasonCode,
    Rebuilt,
    Requested,
    RequestedAction,
    Resource,
    Restriction,
    RowUnreadable,
    Silence,
    Words,
)

#: One of every kind of facts, each with its sentence.
TOLD: list[tuple[Facts, str]] = [
    (Words(text="ENOENT"), "ENOENT"),
    (Requested(action=RequestedAction.DELETION), "deletion requested"),
    (Queued(cause=ReasonCode.ENGINE_EXITED), "waiting for a start slot (engine_exited)"),
    (
        NotEnoughFree(resource=Resource.DISK, free_bytes=1, min_free_bytes=2),
        "1 bytes of disk free, 2 are kept free",
    ),
    (HostLimitReached(limit=HostLimit.OPEN_FILES), "the host has run out of open files"),
    (Starting(), "starting"),
    (Starting(refusal="404"), "404"),
    (
        StillWaiting(what=WaitsFor.CODE, waited_s=10.0),
        "waiting for the engine's first code: it answers, but has shown none yet (for more than 10 s now)",
    ),
    (NotUp(limit_s=45.0), "not up within 45 s"),
    (NotUp(limit_s=45.0, refusal="404"), "not up within 45 s: 404"),
    (Exited(exit_code=None, signal=9), "killed by signal 9"),
    (ProbesMissed(count=4, error="no answer"), "4 probes unanswered: no answer"),
    (MemoryExcess(rss_bytes=3, limit_bytes=2, is_soft=False), "3 bytes are above the hard limit of 2"),
    (
        MemoryExcess(rss_bytes=3, limit_bytes=2, is_soft=True),
        "3 bytes are above the soft limit of 2, and the session is idle",
    ),
    (Silence(limit_s=120.0), "no sign of life for 120 s"),
    (NotConnected(limit_s=90.0), "no connection within 90 s"),
    (LinkStayedDown(limit_s=300.0), "the link stayed down for 300 s"),
    (NotScanned(window_s=180.0), "nobody scanned in 180 s"),
    (Restriction(kind="reachout_timelock", code="BIZ", expires_at="T"), "reachout_timelock BIZ until T"),
    (Rebuilt(has_engine=True), "found alive after the database was lost"),
    (Rebuilt(has_engine=False), "its directory outlived the database"),
    (
        RowUnreadable(error="no JSON"),
        "its row in the registry cannot be read (no JSON): check env and labels, then start or delete it",
    ),
]


@pytest.mark.parametrize(("facts", "sentence"), TOLD, ids=lambda each: type(each).__name__)
def test_facts_make_the_sentence_whatever_the_code(facts: Facts, sentence: str) -> None:
    details = {Reason(code=code, facts=facts, at=0.0).detail for code in ReasonCode}

    assert details == {sentence}


def test_a_code_without_facts_has_its_own_sentence() -> None:
    assert set(SENTENCES) == set(ReasonCode)
    assert Reason(code=ReasonCode.BANNED, at=0.0).detail == "WhatsApp banned the account"
