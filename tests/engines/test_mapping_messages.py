"""What OpenWA posts about messages, read as evidence; hostile fields are left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.messaging.sightings import ReceivedMessage, SeenMessage, body_sha256
from openwa_manager.engines.mapping import read_received, read_sent, seen_in_list

CHAT, OWN = "628123456789@c.us", "62825860468@c.us"
SENT: dict[str, Json] = {
    "id": "3EB0887A",
    "from": OWN,
    "to": CHAT,
    "chatId": CHAT,
    "body": "Hello",
    "type": "text",
    "timestamp": 1795332124,
    "fromMe": True,
    "isGroup": False,
    "kind": "individual",
    "isStatusBroadcast": False,
}
RECEIVED: dict[str, Json] = {
    **SENT,
    "id": "MOCKIN03F2",
    "from": CHAT,
    "to": OWN,
    "body": "STOP",
    "fromMe": False,
    "contact": {"pushName": "Mock Sender"},
}

scalars: st.SearchStrategy[Json] = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
posts = st.dictionaries(
    st.sampled_from([*RECEIVED, "author", "status", "waMessageId", "direction"]), scalars | st.lists(scalars)
)


def test_what_left_through_the_account_is_seen() -> None:
    assert read_sent("message.sent", SENT) == SeenMessage(
        message_id="3EB0887A", chat_id=CHAT, body_sha256=body_sha256("Hello"), at=1795332124.0
    )


def test_another_name_of_the_chat_is_kept() -> None:
    seen = read_sent("message.sent", {**SENT, "chatId": "9812345@lid"})

    assert seen is not None
    assert (seen.chat_id, seen.to) == ("9812345@lid", CHAT)


@pytest.mark.parametrize(
    ("event", "changed"),
    [
        ("message.ack", {}),
        ("message.sent", {"fromMe": False}),
        ("message.sent", {"id": None}),
        ("message.sent", {"id": "x" * 129}),
        ("message.sent", {"chatId": 7, "to": ""}),
    ],
)
def test_what_is_no_sight_of_a_message_is_none(event: str, changed: dict[str, Json]) -> None:
    assert read_sent(event, {**SENT, **changed}) is None


@pytest.mark.parametrize(
    ("told", "at"),
    [
        (1795332124, 1795332124.0),
        (1795332124123, 1795332124.123),
        (0, None),
        (-1, None),
        (1e300, None),
        (float("nan"), None),
        (True, None),
        ("1795332124", None),
        (None, None),
    ],
)
def test_a_time_is_told_in_seconds_or_milliseconds(told: Json, at: float | None) -> None:
    seen = read_sent("message.sent", {**SENT, "timestamp": told})

    assert seen is not None
    assert seen.at == at


def test_what_came_in_is_read() -> None:
    assert read_received(RECEIVED) == ReceivedMessage(
        message_id="MOCKIN03F2", chat_id=CHAT, sender=CHAT, body="STOP", at=1795332124.0, is_direct=True
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"isGroup": True},
        {"isStatusBroadcast": True},
        {"kind": "channel"},
        {"chatId": "120363041234567890@g.us"},
        {"chatId": "1@newsletter"},
    ],
)
def test_not_every_chat_is_one_of_two(changed: dict[str, Json]) -> None:
    received = read_received({**RECEIVED, **changed})

    assert received is not None
    assert not received.is_direct


def test_in_a_group_the_author_wrote_it() -> None:
    received = read_received({**RECEIVED, "chatId": "1-2@g.us", "from": "1-2@g.us", "author": CHAT, "isGroup": True})

    assert received is not None
    assert (received.chat_id, received.sender) == ("1-2@g.us", CHAT)


@pytest.mark.parametrize("changed", [{"fromMe": True}, {"id": ""}, {"chatId": None, "from": "ü"}])
def test_what_nobody_wrote_to_the_account_is_none(changed: dict[str, Json]) -> None:
    assert read_received({**RECEIVED, **changed}) is None


@given(data=posts)
def test_whatever_is_posted_breaks_nothing_and_stays_short(data: dict[str, Json]) -> None:
    for seen in (read_sent("message.sent", data), seen_in_list(data)):
        assert seen is None or (len(seen.message_id) <= 128 and len(seen.chat_id) <= 128)
    received = read_received(data)
    assert received is None or (len(received.sender) <= 128 and received.sender.isascii())
