import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.delivery.events import Event, Json
from openwa_manager.domain.session.session import SessionId
from openwa_manager.webhooks.envelope import write_body

COMMON = ["id", "type", "event", "timestamp", "session_id", "user_id", "seq", "launch", "host"]
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values: st.SearchStrategy[Json] = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


def an_event(data: dict[str, Json], event_type: str = "session.connected", expires_at: float | None = None) -> Event:
    return Event(
        type=event_type,
        occurred_at=1795332124.1659,
        session_id=SessionId("user_1_session_a"),
        user_id="1",
        session_seq=7,
        launch=3,
        expires_at=expires_at,
        data=data,
    )


def test_the_body_is_flat_and_begins_with_the_common_fields() -> None:
    body = write_body("evt_1", an_event({"phone_number": "85212345678"}), "mac-mini-1")

    assert body == (
        b'{"id":"evt_1","type":"session.connected","event":"session.connected","timestamp":"2026-11-22T07:22:04.165Z",'
        b'"session_id":"user_1_session_a","user_id":"1","seq":7,"launch":3,"host":"mac-mini-1",'
        b'"phone_number":"85212345678"}'
    )


@given(data=st.dictionaries(st.text(), values, max_size=5))
def test_a_body_holds_the_data_and_is_the_same_every_time(data: dict[str, Json]) -> None:
    event = an_event(data)

    body = write_body("evt_1", event, "host")

    parsed = json.loads(body)
    assert list(parsed)[: len(COMMON)] == COMMON
    assert {key: value for key, value in parsed.items() if key not in COMMON} == {
        key: value for key, value in data.items() if key not in COMMON
    }
    assert write_body("evt_1", event, "host") == body


def test_data_never_hides_a_common_field() -> None:
    body = json.loads(write_body("evt_1", an_event({"session_id": "someone else", "id": "x"}), "host"))

    assert body["session_id"] == "user_1_session_a"
    assert body["id"] == "evt_1"


def test_a_code_is_sent_as_an_image_not_as_a_hash() -> None:
    event = an_event({"sha256": "ab", "mimetype": "image/png", "qr_seq": 4}, "session.qr", expires_at=1795332144.0)

    body = json.loads(write_body("evt_1", event, "host", image=b"\x89PNG"))

    assert base64.b64decode(body["qr_base64"]) == b"\x89PNG"
    assert "sha256" not in body
    assert body["expires_at"] == "2026-11-22T07:22:24.000Z"
    assert body["qr_seq"] == 4
