"""Which class an event is of, which engine events are handed on, and which patterns fit."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.delivery import events
from openwa_manager.domain.delivery.events import Event, EventClass, class_of, is_passed_through, matches_any


@pytest.mark.parametrize(
    ("event_type", "expected"),
    [
        ("session.qr", EventClass.QR),
        ("session.connected", EventClass.STATE),
        ("session.heartbeat", EventClass.STATE),
        ("manager.started", EventClass.STATE),
        ("delivery.dead_lettered", EventClass.STATE),
        ("host.slept", EventClass.STATE),
        ("message.sent", EventClass.MESSAGE),
        ("message.received", EventClass.MESSAGE),
        ("group.join", EventClass.PASSING),
        ("presence.update", EventClass.PASSING),
        ("status.received", EventClass.PASSING),
        ("something.new", EventClass.PASSING),
    ],
)
def test_the_family_of_an_event_tells_its_class(event_type: str, expected: EventClass) -> None:
    event = Event(type=event_type, occurred_at=0.0)

    assert event.event_class is expected
    assert class_of(event_type) is expected


@pytest.mark.parametrize(
    "event_type",
    ["message.received", "message.revoked", "message.reaction", "message.edited", "status.received", "call.missed"],
)
def test_news_from_others_is_handed_on(event_type: str) -> None:
    assert is_passed_through(event_type)


@pytest.mark.parametrize(
    "event_type", ["session.status", "session.qr", "message.sent", "message.ack", "message.failed", "test", "group"]
)
def test_what_we_tell_ourselves_is_not_handed_on(event_type: str) -> None:
    assert not is_passed_through(event_type)


@given(st.text())
def test_a_pattern_without_a_star_fits_only_itself(text: str) -> None:
    plain = text.rstrip("*")

    assert matches_any([plain], plain)
    assert not matches_any([plain], plain + "x")


@given(st.text(), st.text())
def test_a_trailing_star_stands_for_any_ending(beginning: str, ending: str) -> None:
    assert matches_any([beginning + "*"], beginning + ending)


@given(st.text())
def test_a_lone_star_fits_everything(text: str) -> None:
    assert matches_any(["*"], text)


def test_a_pattern_does_not_fit_a_longer_family() -> None:
    assert not matches_any(["user_1_*"], "user_10")


@given(st.lists(st.text()), st.text())
def test_one_pattern_that_fits_is_enough(patterns: list[str], text: str) -> None:
    assert matches_any([*patterns, text], text)
    assert not matches_any([], text)


@pytest.mark.parametrize("event_type", ["batch.completed", "contact.opted_out", "queue.held"])
def test_what_we_say_ourselves_is_never_dropped(event_type: str) -> None:
    assert class_of(event_type) is EventClass.STATE


def test_how_far_a_batch_is_may_be_dropped_for_the_next_one_says_it_better() -> None:
    assert class_of("batch.progress") is EventClass.PASSING


OWN_TYPES = sorted(
    {
        found
        for path in Path(events.__file__).parents[2].rglob("*.py")
        for found in re.findall(r'(?:type=|Event\(|announce\()"([a-z]+\.[a-z_]+)"', path.read_text("utf-8"))
        if "simulator" not in path.parts
    }
)


@pytest.mark.parametrize("event_type", OWN_TYPES)
def test_no_event_of_ours_is_forgotten_when_room_runs_short(event_type: str) -> None:
    passing = {"batch.progress", "endpoint.test"}

    assert (class_of(event_type) is EventClass.PASSING) == (event_type in passing)
