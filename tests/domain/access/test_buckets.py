import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.access.buckets import Buckets, Rate

RATE = Rate(per_s=20, burst=40)
#: A clock that has run for days, as that of a host.
NOW_S = 1_000_000.0


def taken(buckets: Buckets, count: int, now_s: float, rate: Rate = RATE, name: str = "a") -> int:
    return sum(buckets.take(name, rate, now_s) == 0 for _ in range(count))


def test_a_full_bucket_gives_as_many_tokens_as_it_holds() -> None:
    assert taken(Buckets(10), 100, NOW_S) == 40


def test_an_empty_bucket_is_filled_at_its_rate_and_no_higher_than_its_edge() -> None:
    buckets = Buckets(10)
    taken(buckets, 40, NOW_S)

    assert taken(buckets, 100, NOW_S + 0.5) == 10
    assert taken(buckets, 100, NOW_S + 1.0) == 10
    assert taken(buckets, 100, NOW_S + 3600) == 40


def test_whoever_is_refused_is_told_how_long_it_takes_until_there_is_a_token() -> None:
    buckets, rate = Buckets(10), Rate(per_s=0.1, burst=3)
    taken(buckets, 3, NOW_S, rate)

    assert buckets.take("a", rate, NOW_S) == pytest.approx(10)
    assert buckets.take("a", rate, NOW_S + 4) == pytest.approx(6)
    assert buckets.take("a", rate, NOW_S + 10) == 0
    assert buckets.take("a", rate, NOW_S + 10) == pytest.approx(10)


def test_being_refused_costs_nothing() -> None:
    buckets = Buckets(10)
    taken(buckets, 10_000, NOW_S)

    assert buckets.take("a", RATE, NOW_S + 0.05) == 0


def test_buckets_of_other_names_are_others() -> None:
    buckets = Buckets(10)

    assert taken(buckets, 40, NOW_S, name="a") == taken(buckets, 40, NOW_S, name="b") == 40


def test_a_rate_that_was_changed_holds_at_once() -> None:
    buckets = Buckets(10)
    taken(buckets, 40, NOW_S)

    assert taken(buckets, 100, NOW_S, Rate(per_s=20, burst=100)) == 60
    assert taken(buckets, 100, NOW_S, Rate(per_s=20, burst=1)) == 0


def test_of_too_many_names_the_one_is_forgotten_that_was_used_least_recently() -> None:
    buckets = Buckets(2)
    for name in ("a", "b", "a", "c"):
        taken(buckets, 40, NOW_S, name=name)

    assert taken(buckets, 40, NOW_S, name="a") == 0
    assert taken(buckets, 40, NOW_S, name="c") == 0
    assert taken(buckets, 40, NOW_S, name="b") == 40
    assert len(buckets._full_at_s) == 2


@given(
    per_s=st.floats(0.01, 1000),
    burst=st.floats(1, 1000),
    pauses_s=st.lists(st.floats(0, 10), min_size=1, max_size=200),
)
def test_no_more_is_let_happen_than_the_rate_and_the_burst_allow(
    per_s: float, burst: float, pauses_s: list[float]
) -> None:
    buckets, rate, now_s, count = Buckets(10), Rate(per_s=per_s, burst=burst), NOW_S, 0
    for pause_s in pauses_s:
        now_s += pause_s
        wait_s = buckets.take("a", rate, now_s)
        count += wait_s == 0
        assert 0 <= wait_s <= 1 / per_s + 1e-3

    assert count <= burst + (now_s - NOW_S) * per_s + 0.01


@given(per_s=st.floats(0.01, 1000), burst=st.floats(1, 1000), pauses_s=st.lists(st.floats(0, 1), max_size=50))
def test_whoever_waits_as_long_as_he_was_told_is_let(per_s: float, burst: float, pauses_s: list[float]) -> None:
    buckets, rate, now_s = Buckets(10), Rate(per_s=per_s, burst=burst), NOW_S
    for pause_s in pauses_s:
        now_s += pause_s
        wait_s = buckets.take("a", rate, now_s)
        if wait_s:
            now_s += wait_s
            assert buckets.take("a", rate, now_s) == 0


def test_whoever_is_given_a_higher_rate_waits_by_that_one() -> None:
    buckets = Buckets(10)
    taken(buckets, 100, NOW_S, Rate(per_s=0.01, burst=100))

    assert buckets.take("a", RATE, NOW_S) <= 1 / RATE.per_s + 1e-6
