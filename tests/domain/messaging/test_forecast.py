import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwa_manager.domain.messaging.forecast import (
    LaneOutlook,
    Work,
    batch_finish_at,
    finish_times,
    typing_s,
    works_of,
)
from openwa_manager.domain.messaging.pacing import Gap, PacingProfile, ProfileName, day_number, profile_of
from openwa_manager.domain.messaging.windows import Window, is_open, opens_at, window_of
from openwa_manager.domain.zones import day_of, next_day_at, zone_of
from tests.run.growth import is_linear

GUIDE = profile_of(ProfileName.GUIDE)
CAREFUL = profile_of(ProfileName.CAREFUL)
NO_FIRST_GAP = replace(CAREFUL, first_contact_gap=None)
NO_CAPS = replace(CAREFUL, first_contact_caps=())
HONG_KONG = zone_of("Asia/Hong_Kong")
OFFICE = window_of("09:00", "20:00", "Asia/Hong_Kong")
DAY_S = 86_400.0


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOON = utc("2026-11-25 04:00")  # in Hong Kong
OUTLOOK = LaneOutlook(starts_at=NOON, seconds_per_send=1.0, profile=GUIDE, zone=HONG_KONG, linked_at=NOON - 100 * DAY_S)


def in_order(works: Sequence[Work]) -> list[tuple[int, bool]]:
    """Return which work each message is of, and whether it is a first contact, as they stand in the queue."""
    messages: list[tuple[int, bool]] = []
    for number, work in enumerate(works):
        firsts = [(math.ceil(each * work.known / work.first_contacts), 0) for each in range(work.first_contacts)]
        places = sorted([*firsts, *((each, 1) for each in range(work.known))])
        messages += [(number, kind == 0) for _, kind in places]
    return messages


def played(works: Sequence[Work], outlook: LaneOutlook, drawn_s: Callable[[Gap], float]) -> list[float]:
    """Send message by message, as a lane does, and return when the last of each work was answered."""
    now, profile = outlook.starts_at, outlook.profile
    first_free_at = now if profile == GUIDE else outlook.first_contact_free_at
    waiting, finished = in_order(works), [outlook.starts_at for _ in works]
    days = {day_of(now, outlook.zone): outlook.first_contacts_today}
    while waiting:
        today = day_of(now, outlook.zone)
        cap = profile.cap_on(day_number(outlook.linked_at, now, outlook.zone))
        first_may_go = now >= first_free_at and (cap is None or days.get(today, 0) < cap)
        heads = dict.fromkeys(waiting)
        opened = {
            head: is_open(works[head[0]].window, max(now, works[head[0]].not_before_at))
            and now >= works[head[0]].not_before_at
            for head in heads
        }
        head = next((each for each in heads if opened[each] and (first_may_go or not each[1])), None)
        if head is None:
            openings = [opens_at(works[each[0]].window, max(now, works[each[0]].not_before_at)) for each in heads]
            changes = [*openings, next_day_at(now, outlook.zone), first_free_at]
            now = min(each for each in changes if each > now)
            continue
        waiting.remove(head)
        answered_at = now + outlook.seconds_per_send
        finished[head[0]] = max(finished[head[0]], answered_at)
        now = answered_at + drawn_s(profile.gap)
        if head[1]:
            days[today] = days.get(today, 0) + 1
            first_free_at = answered_at + drawn_s(profile.first_contact_gap or profile.gap)
    return finished


def windows() -> st.SearchStrategy[Window | None]:
    return st.none() | st.builds(
        lambda first, length, zone, days: Window(
            first_minute=first, last_minute=(first + length) % 1440, zone=zone, days=days
        ),
        st.integers(0, 1439),
        st.integers(1, 1439),
        st.sampled_from(["UTC", "Asia/Hong_Kong", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe"]),
        st.frozensets(st.integers(1, 7), min_size=1) | st.just(frozenset(range(1, 8))),
    )


@st.composite
def works(draw: st.DrawFn) -> list[Work]:
    """Work of a few batches; a batch with a window has one or more slices."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        window, not_before_at = draw(windows()), NOON + draw(st.sampled_from([0.0, 0.0, 600.0, DAY_S]))
        for _ in range(draw(st.integers(1, 3))):
            known, first_contacts = draw(st.integers(0, 60)), draw(st.integers(0, 25))
            found.append(Work(known=known, first_contacts=first_contacts, window=window, not_before_at=not_before_at))
    return found


@settings(max_examples=150, deadline=None)
@given(
    works=works(),
    profile=st.sampled_from([GUIDE, CAREFUL, NO_FIRST_GAP, NO_CAPS]),
    age_days=st.integers(0, 9),
    sent_today=st.integers(0, 120),
    seconds_per_send=st.sampled_from([0.0, 0.5, 1.25, 4.0]),
    rests_s=st.sampled_from([0.0, 40.0]),
)
def test_the_forecast_is_what_a_lane_does_that_draws_mean_gaps(
    works: list[Work], profile: PacingProfile, age_days: int, sent_today: int, seconds_per_send: float, rests_s: float
) -> None:
    outlook = replace(
        OUTLOOK,
        profile=profile,
        linked_at=NOON - age_days * DAY_S,
        first_contacts_today=sent_today,
        seconds_per_send=seconds_per_send,
        first_contact_free_at=NOON + rests_s,
    )

    forecast = finish_times(works, outlook)

    assert forecast == pytest.approx(played(works, outlook, lambda gap: gap.mean_s), rel=0, abs=0.001)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("works", "profile"),
    [
        ((Work(known=1500, first_contacts=300),), ProfileName.GUIDE),
        ((Work(known=1500, first_contacts=40),), ProfileName.CAREFUL),
        ((Work(known=300), Work(known=100, first_contacts=80)), ProfileName.CAREFUL),
        ((Work(known=200, first_contacts=350, window=OFFICE),), ProfileName.CAREFUL),
        ((Work(known=1200, window=window_of("12:00", "12:30", "Asia/Hong_Kong")),), ProfileName.GUIDE),
    ],
)
def test_a_lane_that_draws_its_gaps_agrees_within_five_percent(
    works: tuple[Work, ...], profile: ProfileName, seed: int
) -> None:
    outlook, chance = replace(OUTLOOK, profile=profile_of(profile)), Random(seed)  # noqa: S311

    forecast = finish_times(works, outlook)

    took_s = played(works, outlook, lambda gap: gap.drawn_s(chance.random()))[-1] - NOON
    assert forecast[-1] - NOON == pytest.approx(took_s, rel=0.05)


@pytest.mark.parametrize(
    "is_first_contact",
    [
        [False] * 300 + [True] * 40,
        [True] * 40 + [False] * 300,
        ([False] * 60 + [True] * 8) * 5,
        [chance < 0.1 for chance in (Random(number).random() for number in range(350))],  # noqa: S311
    ],
)
def test_a_batch_is_forecast_by_the_order_of_its_recipients(is_first_contact: list[bool]) -> None:
    outlook = replace(OUTLOOK, profile=CAREFUL)
    one_by_one = [Work(known=int(not each), first_contacts=int(each)) for each in is_first_contact]

    finish_at = batch_finish_at([Work(known=10)], works_of(is_first_contact), outlook)

    took_s = max(played([Work(known=10), *one_by_one], outlook, lambda gap: gap.mean_s)) - NOON
    assert finish_at - NOON == pytest.approx(took_s, rel=0.02)  # forty drawn gaps alone vary by 3 %


def test_an_empty_batch_is_finished_already() -> None:
    assert batch_finish_at([Work(known=10)], [], OUTLOOK) == NOON


def test_one_message_is_finished_when_it_is_answered() -> None:
    assert finish_times([Work(known=1)], OUTLOOK) == (NOON + 1.0,)
    assert finish_times([Work(known=0, first_contacts=1)], replace(OUTLOOK, profile=CAREFUL)) == (NOON + 1.0,)
    assert finish_times([Work(known=0)], OUTLOOK) == (NOON,)
    assert finish_times([], OUTLOOK) == ()


def test_earlier_work_goes_first() -> None:
    assert finish_times([Work(known=100), Work(known=100)], OUTLOOK) == pytest.approx((NOON + 248.5, NOON + 498.5))


def test_first_contacts_beyond_the_cap_go_on_the_next_days() -> None:
    outlook = replace(OUTLOOK, profile=CAREFUL, linked_at=NOON)

    (finish_at,) = finish_times([Work(known=0, first_contacts=36)], outlook)

    # 5 today, 10 tomorrow, 20 the day after, and one at the midnight after that
    assert finish_at == pytest.approx(utc("2026-11-27 16:00") + 1.0)


@pytest.mark.parametrize("seconds_per_send", [0.0, 1.0])
def test_what_never_goes_is_told_as_never(seconds_per_send: float) -> None:
    never = Work(known=1, window=window_of("09:00", "20:00", "UTC", []))
    outlook = replace(OUTLOOK, seconds_per_send=seconds_per_send)

    assert finish_times([never, Work(known=1)], outlook) == (math.inf, NOON + seconds_per_send)


def test_what_takes_longer_than_ten_years_is_told_as_never() -> None:
    minute_a_week = window_of("09:00", "09:01", "UTC", [1])

    assert finish_times([Work(known=200_000, window=minute_a_week)], OUTLOOK) == (math.inf,)


@pytest.mark.parametrize("profile", [ProfileName.GUIDE, ProfileName.CAREFUL])
@pytest.mark.parametrize("window", [None, OFFICE, window_of("22:00", "02:00", "Europe/Berlin", [1, 3])])
def test_ten_thousand_recipients_are_forecast_in_one_go(profile: ProfileName, window: Window | None) -> None:
    outlook = replace(OUTLOOK, profile=profile_of(profile))
    works = works_of([number % 3 == 0 for number in range(10_000)], window=window)

    assert finish_times(works, outlook)[-1] < math.inf
    assert is_linear(lambda size: finish_times(works[:size], outlook), 10_000)


def test_the_work_of_a_batch_tells_where_its_first_contacts_are() -> None:
    works = works_of([False] * 500 + [True] * 500, window=OFFICE, not_before_at=5.0)

    assert len(works) == 50
    assert works[0] == Work(known=20, first_contacts=0, window=OFFICE, not_before_at=5.0)
    assert works[-1] == Work(known=0, first_contacts=20, window=OFFICE, not_before_at=5.0)
    assert works_of([]) == ()
    assert works_of([True, False]) == (Work(known=0, first_contacts=1), Work(known=1))


def test_typing_takes_half_a_second_and_more_for_each_character_up_to_five() -> None:
    assert [typing_s(chars) for chars in (0, 20, 100, 4096)] == pytest.approx([0.5, 1.4, 5.0, 5.0])
