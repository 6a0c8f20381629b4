import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.messaging.pacing import (
    BREAKER_S,
    Gap,
    PacingProfile,
    ProfileName,
    SendBreaker,
    SendLane,
    day_number,
    first_contacts_left,
    profile_of,
)
from openwa_manager.domain.zones import zone_of

GUIDE = profile_of(ProfileName.GUIDE)
CAREFUL = profile_of(ProfileName.CAREFUL)
CHANCES = st.floats(0, 1, exclude_max=True)


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@given(chance=CHANCES, ends=st.tuples(st.floats(0, 3600), st.floats(0, 3600)))
def test_a_gap_is_never_shorter_or_longer_than_its_ends(chance: float, ends: tuple[float, float]) -> None:
    gap = Gap(min_s=min(ends), max_s=max(ends))

    assert gap.min_s <= gap.drawn_s(chance) <= gap.max_s * (1 + 1e-12)
    assert gap.drawn_s(0.0) == gap.min_s
    assert gap.drawn_s(0.5) == pytest.approx(gap.mean_s)


@pytest.mark.parametrize(
    ("min_s", "max_s"), [(-0.1, 1), (2, 1), (0, 3601), (math.nan, 1), (0, math.nan), (0, math.inf), (-math.inf, 1)]
)
def test_a_gap_that_makes_no_sense_is_refused(min_s: float, max_s: float) -> None:
    with pytest.raises(InvalidInputError, match="gap"):
        Gap(min_s=min_s, max_s=max_s)


def test_the_guides_pace_is_its_gap_and_nothing_else() -> None:
    lane = SendLane().after_answer(GUIDE, 100.0, 0.5, 0.5)

    assert lane.may_send_boot_s(is_first_contact=False) == pytest.approx(101.5)
    assert lane.may_send_boot_s(is_first_contact=True) == pytest.approx(101.5)
    assert GUIDE.cap_on(0) is None


def test_known_people_go_on_while_first_contacts_rest() -> None:
    lane = SendLane().after_answer(CAREFUL, 100.0, 0.0, 0.5)

    assert lane.may_send_boot_s(is_first_contact=False) == pytest.approx(101.2)
    assert lane.may_send_boot_s(is_first_contact=True) == pytest.approx(145.0)


def test_a_first_contact_after_a_known_person_waits_for_the_lane_only() -> None:
    lane = SendLane().after_answer(CAREFUL, 100.0, 0.0)

    assert lane.may_send_boot_s(is_first_contact=True) == pytest.approx(101.2)


@given(
    answers=st.lists(st.tuples(st.floats(0, 90), CHANCES, st.none() | CHANCES), max_size=30),
    profile=st.sampled_from([GUIDE, CAREFUL]),
)
def test_no_gap_that_was_drawn_is_ever_shortened(
    answers: list[tuple[float, float, float | None]], profile: PacingProfile
) -> None:
    lane, boot_s = SendLane(), 0.0
    for pause_s, chance, first_contact_chance in answers:
        boot_s += pause_s
        later = lane.after_answer(profile, boot_s, chance, first_contact_chance)

        assert later.free_boot_s >= max(lane.free_boot_s, boot_s + profile.gap.min_s)
        assert later.first_contact_free_boot_s >= lane.first_contact_free_boot_s
        lane = later


def test_first_contacts_a_day_grow_with_the_age_of_the_link() -> None:
    caps = [CAREFUL.cap_on(day) for day in (-1, 0, 1, 2, 3, 4, 5, 6, 7, 4000)]

    assert caps == [5, 5, 10, 20, 40, 60, 80, 100, 100, 100]
    assert [first_contacts_left(cap, 7) for cap in (None, 5, 10)] == [None, 0, 3]


def test_days_since_the_link_are_those_of_the_zone() -> None:
    linked_at = utc("2026-11-28 15:59")  # 23:59 in Hong Kong

    assert day_number(linked_at, linked_at, zone_of("Asia/Hong_Kong")) == 0
    assert day_number(linked_at, utc("2026-11-28 16:00"), zone_of("Asia/Hong_Kong")) == 1
    assert day_number(linked_at, utc("2026-11-28 16:00"), zone_of("UTC")) == 0
    assert day_number(linked_at, utc("2026-11-01 00:00"), zone_of("UTC")) == 0  # the clock was put back


def test_the_breaker_opens_after_five_failures_in_a_row() -> None:
    breaker = SendBreaker()
    for _ in range(4):
        breaker = breaker.after_failure(CAREFUL, 10.0)
    assert not breaker.is_open(10.0)

    breaker = breaker.after_failure(CAREFUL, 10.0)

    assert breaker.is_open(10.0)
    assert breaker.is_open(10.0 + BREAKER_S - 0.001)
    assert not breaker.is_open(10.0 + BREAKER_S)


def test_one_more_failure_opens_the_breaker_again_and_a_success_closes_it() -> None:
    breaker = SendBreaker(failures_in_row=5, open_until_boot_s=900.0)

    assert breaker.after_failure(CAREFUL, 1000.0).is_open(1800.0)
    assert breaker.after_success() == SendBreaker()


def test_the_guides_pace_has_no_breaker() -> None:
    breaker = SendBreaker(failures_in_row=1000).after_failure(GUIDE, 10.0)

    assert not breaker.is_open(10.0)
