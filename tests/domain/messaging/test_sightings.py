import hashlib

from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.messaging.sightings import ReceivedMessage, body_sha256


@given(text=st.text())
def test_a_body_is_known_by_its_digest(text: str) -> None:
    assert body_sha256(text) == hashlib.sha256(text.encode()).hexdigest()


def test_half_a_character_breaks_nothing() -> None:
    assert body_sha256("\ud83d") == body_sha256("?")


def test_what_was_received_shows_in_no_log() -> None:
    received = ReceivedMessage(message_id="1", chat_id="2", sender="3", body="secret", at=None, is_direct=True)

    assert "secret" not in repr(received)
