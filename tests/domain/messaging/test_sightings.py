import hashlib

from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.messaging.sightings import (
    LOOKUPS_S,
    ReceivedMessage,
    ack_due_at,
    body_sha256,
    lookup_at,
    past_lookups,
)


@given(text=st.text())
def test_a_body_is_known_by_its_digest(text: str) -> None:
    assert body_sha256(text) == hashlib.sha256(text.encode()).hexdigest()


def test_half_a_character_breaks_nothing() -> None:
    assert body_sha256("\ud83d") == body_sha256("?")


def test_what_was_received_shows_in_no_log() -> None:
    received = ReceivedMessage(message_id="1", chat_id="2", sender="3", body="secret", at=None, is_direct=True)

    assert "secret" not in repr(received)


def test_an_engine_is_asked_some_times_and_then_no_more() -> None:
    times = [lookup_at(1000.0, count) for count in range(len(LOOKUPS_S) + 1)]

    assert times == [*(1000.0 + each for each in LOOKUPS_S), None]


@given(now=st.floats(0.0, 2 * LOOKUPS_S[-1]))
def test_of_the_lookups_that_were_missed_only_the_latest_is_made_up_for(now: float) -> None:
    over = [each for each in LOOKUPS_S if each <= now]

    past_count = past_lookups(0.0, now)

    assert past_count == (len(LOOKUPS_S) if len(over) == len(LOOKUPS_S) else max(0, len(over) - 1))


def test_an_acknowledgement_has_time_after_a_connection() -> None:
    assert ack_due_at(1000.0, None) == 1600.0
    assert ack_due_at(1000.0, 1200.0) == 1600.0
    assert ack_due_at(1000.0, 5000.0) == 5060.0
