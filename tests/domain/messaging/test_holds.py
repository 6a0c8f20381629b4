from dataclasses import replace

import pytest

from openwa_manager.domain.messaging.holds import QueueFacts, Until, first_contact_hold, session_hold
from openwa_manager.domain.messaging.messages import Hold, HoldCode
from openwa_manager.domain.session.session import Status

FREE = QueueFacts(status=Status.CONNECTED, is_linked=True)
UNTIL = Until(at=2000.0, detail="for a while")
HELD = Hold(code=HoldCode.RESTORED, detail="a copy was put back")
OVERDUE = Hold(code=HoldCode.AWAITING_ACKS, detail="five are missing")
#: All at once, the strongest first.
ALL = [
    (HoldCode.RESTORED, {"held": HELD}),
    (HoldCode.QUEUE_PAUSED, {"is_paused": True}),
    (HoldCode.RESTRICTED, {"limit_kind": "tos_block", "limit_until": 3000.0}),
    (HoldCode.NOT_CONNECTED, {"is_linked": False, "status": Status.STOPPED}),
    (HoldCode.NOT_CONNECTED, {"refused": UNTIL}),
    (HoldCode.STORAGE_FULL, {"disk_full": UNTIL}),
    (HoldCode.CLOCK, {"odd_clock": UNTIL}),
    (HoldCode.ENGINE_LIMITED, {"engine_limited": UNTIL}),
    (HoldCode.BREAKER_OPEN, {"breaker": UNTIL}),
]


def test_what_is_free_is_not_held() -> None:
    assert session_hold(FREE) is None
    assert first_contact_hold(FREE, None) is None


@pytest.mark.parametrize("number", range(len(ALL)))
def test_the_strongest_hold_is_told(number: int) -> None:
    facts = FREE
    for _, change in reversed(ALL[number:]):
        facts = replace(facts, **change)  # type: ignore[arg-type]

    hold = session_hold(facts)

    assert hold is not None
    assert hold.code is ALL[number][0]


def test_missing_acknowledgements_hold_what_is_not_paused_by_a_person() -> None:
    overdue = replace(FREE, held=OVERDUE)

    assert session_hold(overdue) == OVERDUE
    assert session_hold(replace(overdue, is_paused=True)) == Hold(
        code=HoldCode.QUEUE_PAUSED, detail="the queue is paused; resume it"
    )


@pytest.mark.parametrize("status", list(Status))
def test_a_session_without_a_link_says_what_to_do(status: Status) -> None:
    hold = session_hold(replace(FREE, is_linked=False, status=status))

    assert hold is not None
    assert hold.detail


def test_a_restriction_to_known_chats_holds_first_contacts_only() -> None:
    limited = replace(FREE, limit_kind="reachout_timelock", limit_until=3000.0)

    assert session_hold(limited) is None
    hold = first_contact_hold(limited, None)
    assert hold is not None
    assert (hold.code, hold.until) == (HoldCode.RESTRICTED, 3000.0)


def test_beyond_the_day_s_cap_first_contacts_wait() -> None:
    hold = first_contact_hold(FREE, UNTIL)

    assert hold is not None
    assert (hold.code, hold.until) == (HoldCode.FIRST_CONTACT_CAP, 2000.0)
