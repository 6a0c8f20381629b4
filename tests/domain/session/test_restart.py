"""The patience of the supervisor with a crashing engine."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.restart import AFTER, LinkPolicy, ProbePolicy, RestartPolicy, after_crash
from openwa_manager.domain.session.session import After, Restarts

CRASH = ReasonCode.ENGINE_EXITED
chances = st.floats(0, 1, exclude_max=True)
policies = st.builds(
    RestartPolicy,
    backoff_first_s=st.floats(0.01, 10),
    backoff_max_s=st.floats(10, 3600),
    jitter=st.floats(0, 0.5),
)


@given(policy=policies, streak=st.integers(1, 100_000), chance=chances)
def test_a_pause_stays_within_its_bounds_and_their_jitter(policy: RestartPolicy, streak: int, chance: float) -> None:
    delay_s = policy.delay_s(streak, chance)

    assert policy.backoff_first_s * (1 - policy.jitter) <= delay_s
    assert delay_s <= policy.backoff_max_s * (1 + policy.jitter)


@given(policy=policies, streak=st.integers(1, 100_000), chance=chances)
def test_a_pause_is_never_shorter_than_the_one_before(policy: RestartPolicy, streak: int, chance: float) -> None:
    assert policy.delay_s(streak, chance) <= policy.delay_s(streak + 1, chance)


@given(policy=policies, streak=st.integers(1, 100), chances_=st.tuples(chances, chances))
def test_more_chance_is_a_longer_pause(policy: RestartPolicy, streak: int, chances_: tuple[float, float]) -> None:
    less, more = sorted(chances_)

    assert policy.delay_s(streak, less) <= policy.delay_s(streak, more)


def test_pauses_double_up_to_a_minute() -> None:
    policy = RestartPolicy()

    pauses_s = [policy.delay_s(streak, 0.5) for streak in range(1, 9)]

    assert pauses_s == [1, 2, 4, 8, 16, 32, 60, 60]


@given(gaps_s=st.lists(st.floats(0, 3600), min_size=1, max_size=30), chance=chances)
def test_five_crashes_within_ten_minutes_and_only_those_are_a_loop(gaps_s: list[float], chance: float) -> None:
    policy, book, at = RestartPolicy(), Restarts(), 1e9
    crashes: list[float] = []

    for gap_s in gaps_s:
        at += gap_s
        crashes.append(at)
        decision = after_crash(book, CRASH, at, chance, policy)
        book = replace(decision.restarts, is_slow=False)

        assert decision.gave_up is (len([t for t in crashes if at - t < policy.crash_loop_window_s]) >= 5)


@given(at=st.floats(0, 4e9), chance=chances)
def test_a_verdict_says_when_the_next_try_is(at: float, chance: float) -> None:
    decision = after_crash(Restarts(), CRASH, at, chance, RestartPolicy())

    assert decision.restarts.next_at == at + decision.delay_s
    assert (decision.restarts.last_reason, decision.restarts.streak) == (CRASH, 1)


def test_a_crash_in_the_slow_retry_waits_for_the_next_slow_retry() -> None:
    book = Restarts(streak=5, is_slow=True)

    decision = after_crash(book, CRASH, 1e9, 0.5, RestartPolicy())

    assert (decision.gave_up, decision.delay_s) == (True, 1800)


def test_a_first_crash_after_another_failure_is_no_loop() -> None:
    decision = after_crash(Restarts(is_slow=True), CRASH, 1e9, 0.5, RestartPolicy())

    assert (decision.gave_up, decision.delay_s, decision.restarts.is_slow) == (False, 1, False)


def test_crashes_of_a_future_the_clock_was_set_back_from_do_not_count() -> None:
    book = Restarts(crashed_at=(2e9, 2e9, 2e9, 2e9))

    decision = after_crash(book, CRASH, 1e9, 0.5, RestartPolicy())

    assert not decision.gave_up
    assert decision.restarts.crashed_at == (1e9,)


def test_the_book_holds_no_more_crashes_than_a_loop_has() -> None:
    book = Restarts()

    for second in range(100):
        book = after_crash(book, CRASH, 1e9 + second, 0.5, RestartPolicy()).restarts

    assert len(book.crashed_at) == 5


def test_what_the_account_or_its_owner_ended_stays_down() -> None:
    down = {cause for cause, after in AFTER.items() if after is After.STAY_STOPPED}

    by_the_account = {ReasonCode.QR_EXPIRED, ReasonCode.BANNED, ReasonCode.LOGGED_OUT, ReasonCode.WRONG_NUMBER}
    assert down == {ReasonCode.REQUESTED, *by_the_account}


def test_later_codes_live_shorter_than_the_first() -> None:
    policy = LinkPolicy()

    assert policy.qr_life_s(is_first=True) == 60
    assert policy.qr_life_s(is_first=False) == 20


def test_files_are_looked_at_with_every_fourth_probe() -> None:
    policy = ProbePolicy(period_s=10.0)

    assert 3 * policy.period_s < policy.inspection_s < 4 * policy.period_s
