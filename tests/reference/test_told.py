"""What an event has, and the table does not say, is noticed."""

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.reference.told import differences

HEARTBEAT: dict[str, Json] = {
    "id": "evt_1",
    "type": "session.heartbeat",
    "event": "session.heartbeat",
    "timestamp": "2026-11-30T21:00:00.000Z",
    "session_id": "a",
    "user_id": None,
    "seq": None,
    "launch": 1,
    "host": "mac",
    "status": "connected",
    "last_seen_at": None,
    "rss_bytes": 7,
}


def test_an_event_with_the_fields_of_its_type_is_as_told() -> None:
    assert list(differences(HEARTBEAT)) == []


@pytest.mark.parametrize(
    ("change", "noticed"),
    [
        ({"more": 1}, "session.heartbeat has more"),
        ({"status": None}, "session.heartbeat: status is None"),
        ({"rss_bytes": "7"}, "session.heartbeat: rss_bytes is '7'"),
        ({"timestamp": "today"}, "session.heartbeat: timestamp is 'today'"),
        ({"type": "session.unheard"}, "session.unheard is not known"),
    ],
)
def test_what_differs_is_noticed(change: dict[str, Json], noticed: str) -> None:
    assert list(differences({**HEARTBEAT, **change})) == [noticed]


def test_a_field_that_is_missing_is_noticed() -> None:
    body = {name: value for name, value in HEARTBEAT.items() if name != "rss_bytes"}

    assert list(differences(body)) == ["session.heartbeat lacks rss_bytes"]
