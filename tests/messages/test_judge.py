"""The judge itself: it finds what is wrong, and nothing where all is well."""

from dataclasses import replace

import pytest

from tests.messages.judge import Evidence, Fault, judge
from tests.messages.plan import Planned, WayIn, plan_of
from tests.messages.truth import BookEntry, Break, LedgerRow, TriedAt, number_in

PLANNED = Planned(session_id="a", number="85291234321", text="hi", reference="r")
ROW = LedgerRow(
    message_id="msg_1",
    session_id="a",
    number=PLANNED.number,
    route="api",
    status="sent",
    error_code=None,
    whatsapp_message_id="3EB0",
    sent_at=100.0,
    attempts=[TriedAt(at=99.9, outcome="sent", http_status=201)],
)
ENTRY = BookEntry(session_id="a", number=PLANNED.number, text="hi", message_id="3EB0", at=100.0)
SOUND = Evidence(
    wanted=[PLANNED],
    accepted=[PLANNED],
    ledger=[ROW],
    books=[ENTRY],
    breaks=[],
    events=[{"type": "message.sent", "manager_message_id": "msg_1"}],
    gap_min_s=1.2,
    patience_s=1.0,
)
UNKNOWN = replace(
    ROW, status="unknown", whatsapp_message_id=None, attempts=[TriedAt(at=99.9, outcome="uncertain", http_status=None)]
)
TOLD_UNKNOWN = [{"type": "message.failed", "manager_message_id": "msg_1"}]


def found(evidence: Evidence) -> set[Fault]:
    return {fault for fault, sentences in judge(evidence).faults.items() if sentences}


def test_what_agrees_is_clean() -> None:
    assert judge(SOUND).is_clean


@pytest.mark.parametrize(
    ("evidence", "fault"),
    [
        (replace(SOUND, books=[ENTRY, replace(ENTRY, message_id="3EB1", at=200.0)]), Fault.TWICE),
        (replace(SOUND, books=[]), Fault.LOST),
        (replace(SOUND, ledger=[], books=[], events=[]), Fault.LOST),
        (replace(SOUND, ledger=[replace(ROW, status="expired", whatsapp_message_id=None)]), Fault.DENIED),
        (replace(SOUND, ledger=[], accepted=[]), Fault.DENIED),
        (replace(SOUND, ledger=[replace(ROW, status="sending", whatsapp_message_id=None)]), Fault.UNFINISHED),
        (replace(SOUND, ledger=[UNKNOWN], events=TOLD_UNKNOWN), Fault.UNPROVEN),
        (replace(SOUND, ledger=[replace(ROW, whatsapp_message_id="3EB9")]), Fault.WRONG_ID),
        (replace(SOUND, events=[]), Fault.MISTOLD),
        (replace(SOUND, events=[*SOUND.events, *SOUND.events]), Fault.MISTOLD),
    ],
)
def test_a_difference_is_named(evidence: Evidence, fault: Fault) -> None:
    assert fault in found(evidence)


def test_a_gap_that_is_too_short_is_named() -> None:
    other = replace(PLANNED, number="85291234322")
    row = replace(ROW, message_id="msg_2", number=other.number, whatsapp_message_id="3EB1")
    entry = replace(ENTRY, number=other.number, message_id="3EB1", at=101.1)
    told = [*SOUND.events, {"type": "message.sent", "manager_message_id": "msg_2"}]
    both = replace(
        SOUND, wanted=[PLANNED, other], accepted=[PLANNED, other], ledger=[ROW, row], books=[ENTRY, entry], events=told
    )

    assert found(both) == {Fault.TOO_SOON}
    assert found(replace(both, gap_min_s=1.0)) == set()


@pytest.mark.parametrize(
    "evidence",
    [
        replace(SOUND, breaks=[Break(at=100.1, back_at=102.0)]),
        replace(SOUND, breaks=[Break(at=100.1, back_at=102.0, session_id="a")]),
    ],
)
def test_what_was_cut_off_may_be_unknown(evidence: Evidence) -> None:
    assert found(replace(evidence, ledger=[UNKNOWN], events=TOLD_UNKNOWN)) == set()


def test_the_end_of_another_engine_is_no_excuse() -> None:
    other = replace(SOUND, breaks=[Break(at=100.1, back_at=102.0, session_id="b")])

    assert found(replace(other, ledger=[UNKNOWN], events=TOLD_UNKNOWN)) == {Fault.UNPROVEN}


def test_a_recipient_that_nobody_answers_for_may_be_unknown_unless_its_engine_knows() -> None:
    planned = replace(PLANNED, number="85291230010")
    silent = replace(
        SOUND,
        wanted=[planned],
        accepted=[planned],
        ledger=[replace(UNKNOWN, number=planned.number)],
        books=[replace(ENTRY, number=planned.number)],
        events=TOLD_UNKNOWN,
    )

    assert found(silent) == set()
    assert found(replace(silent, replays=frozenset({"a"}))) == {Fault.UNPROVEN}


def test_a_plan_is_the_same_for_the_same_seed_and_hands_over_all() -> None:
    plan = plan_of(7, 20, 5000)

    assert plan == plan_of(7, 20, 5000)
    assert plan != plan_of(8, 20, 5000)
    assert sum(len(session.messages) for session in plan) == 5000
    assert {call.way for session in plan for call in session.calls} == set(WayIn)
    endings = {message.ending for session in plan for message in session.messages}
    assert endings >= {f"{number:04}" for number in range(1, 19)}
    assert not [message for session in plan for message in session.messages if "999999" in message.number]


@pytest.mark.parametrize(
    ("chat", "number"),
    [("85291230018@c.us", "85291230018"), ("7785291230018@lid", "85291230018"), ("+852 9123 0018", "85291230018")],
)
def test_a_number_is_known_in_every_form(chat: str, number: str) -> None:
    assert number_in(chat) == number
