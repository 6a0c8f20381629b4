import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.delivery.delivery import (
    ROTATION_S,
    AttemptContext,
    AttemptDecision,
    AttemptResult,
    Breaker,
    DeadLettered,
    Delivered,
    DeliveryPolicy,
    Disabled,
    Endpoint,
    Gone,
    LastAnswer,
    Rejected,
    Retry,
    RetryAt,
    Succeeded,
    Tries,
    after_attempt,
)
from openwa_manager.domain.delivery.events import EndpointId, Event
from openwa_manager.domain.session.session import SessionId

POLICY = DeliveryPolicy(jitter=0.0)
NOW = 10_000.0
TIMEOUT = Retry(reason="timeout")
ERROR = Retry(reason="HTTP 500", status=500)
REJECTED = Rejected(status=422)
POISONED = Tries(attempts=6, rejected_count=4, first_at=NOW - 900.0)
FAILING = Tries(attempts=9, errored_count=9, first_at=NOW - 3600.0)


def at_now(**changes: float | bool | None) -> AttemptContext:
    return AttemptContext(at=NOW, chance=0.5, **changes)  # type: ignore[arg-type]


def once(**counts: int) -> Tries:
    return Tries(attempts=1, first_at=NOW, **counts)


@pytest.mark.parametrize(
    ("tries", "result", "situation", "verdict"),
    [
        (Tries(), Delivered(status=200), at_now(), Succeeded()),
        (Tries(), Gone(), at_now(), Disabled()),
        (Tries(), TIMEOUT, at_now(), RetryAt(tries=once(), next_at=NOW + 2)),
        (Tries(), ERROR, at_now(), RetryAt(tries=once(errored_count=1), next_at=NOW + 2)),
        (Tries(), REJECTED, at_now(), RetryAt(tries=once(rejected_count=1), next_at=NOW + 2)),
        # an endpoint may ask for a longer pause, up to an hour
        (Tries(), Retry(reason="", retry_after_s=60.0), at_now(), RetryAt(tries=once(), next_at=NOW + 60)),
        (Tries(), Retry(reason="", retry_after_s=1.0), at_now(), RetryAt(tries=once(), next_at=NOW + 2)),
        (Tries(), Retry(reason="", retry_after_s=1e9), at_now(), RetryAt(tries=once(), next_at=NOW + 3600)),
        # while the endpoint is down nothing counts, except a probe answered 500
        (Tries(), TIMEOUT, at_now(is_open=True), RetryAt(tries=Tries(), next_at=NOW)),
        (Tries(), TIMEOUT, at_now(is_open=True, is_probe=True), RetryAt(tries=Tries(), next_at=NOW)),
        (Tries(), ERROR, at_now(is_open=True), RetryAt(tries=Tries(), next_at=NOW)),
        (Tries(), ERROR, at_now(is_open=True, is_probe=True), RetryAt(tries=once(errored_count=1), next_at=NOW + 2)),
        (Tries(), REJECTED, at_now(is_open=True), RetryAt(tries=once(rejected_count=1), next_at=NOW + 2)),
        # the last try
        (
            Tries(attempts=14, first_at=0.0),
            TIMEOUT,
            at_now(),
            DeadLettered(tries=Tries(attempts=15, first_at=0.0), reason="exhausted"),
        ),
        # poison: rejected five times over a quarter of an hour
        (
            POISONED,
            REJECTED,
            at_now(),
            DeadLettered(tries=Tries(attempts=7, rejected_count=5, first_at=NOW - 900.0), reason="rejected"),
        ),
        # poison: 500 ten times over an hour while others succeed
        (
            FAILING,
            ERROR,
            at_now(last_success_at=NOW - 10.0),
            DeadLettered(tries=Tries(attempts=10, errored_count=10, first_at=NOW - 3600.0), reason="errored"),
        ),
    ],
)
def test_what_follows_from_an_outcome(
    tries: Tries, result: AttemptResult, situation: AttemptContext, verdict: AttemptDecision
) -> None:
    assert after_attempt(tries, result, situation, POLICY) == verdict


@pytest.mark.parametrize(
    ("tries", "result", "situation"),
    [
        (Tries(attempts=3, rejected_count=3, first_at=NOW - 900.0), REJECTED, at_now()),  # too few
        (Tries(attempts=6, rejected_count=5, first_at=NOW - 800.0), REJECTED, at_now()),  # too soon
        (FAILING, ERROR, at_now()),  # nobody knows whether others succeed
        (FAILING, ERROR, at_now(last_success_at=NOW - 3601.0)),  # not since
        (Tries(attempts=9, errored_count=9, first_at=NOW - 3000.0), ERROR, at_now(last_success_at=NOW)),  # too soon
        (Tries(attempts=9, errored_count=5, first_at=NOW - 9000.0), ERROR, at_now(last_success_at=NOW)),  # too few
    ],
)
def test_what_is_not_clearly_poison_is_tried_again(
    tries: Tries, result: AttemptResult, situation: AttemptContext
) -> None:
    assert isinstance(after_attempt(tries, result, situation, POLICY), RetryAt)


def test_an_event_is_tried_for_three_days() -> None:
    assert 3.0 < sum(DeliveryPolicy().schedule_s) / 86_400 < 3.5


@given(attempts=st.integers(0, 14), chance=st.floats(0, 1, exclude_max=True))
def test_a_pause_stays_within_a_fifth_of_the_schedule(attempts: int, chance: float) -> None:
    policy = DeliveryPolicy()

    pause_s = policy.pause_s(attempts, chance)

    assert pause_s is not None
    assert 0.8 * policy.schedule_s[attempts] <= pause_s <= 1.2 * policy.schedule_s[attempts]


@given(outcomes=st.lists(st.sampled_from([TIMEOUT, ERROR, REJECTED]), min_size=1, max_size=30))
def test_every_event_comes_to_an_end(outcomes: list[AttemptResult]) -> None:
    tries, at = Tries(), NOW
    for number in range(20):
        verdict = after_attempt(
            tries, outcomes[number % len(outcomes)], AttemptContext(at=at, chance=0.9), DeliveryPolicy()
        )
        if isinstance(verdict, DeadLettered):
            return
        assert isinstance(verdict, RetryAt)
        assert verdict.next_at >= at
        tries, at = verdict.tries, verdict.next_at
    pytest.fail("still trying")


def test_the_breaker_opens_at_the_fifth_failure_in_a_row_and_closes_at_any_other_answer() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker = breaker.after(TIMEOUT, 100.0, POLICY)
    assert not breaker.is_open

    breaker = breaker.after(TIMEOUT, 100.0, POLICY)

    assert breaker.probe_at == 130.0
    assert breaker.after(TIMEOUT, 130.0, POLICY).probe_at == 160.0
    assert breaker.after(Delivered(status=200), 130.0, POLICY) == Breaker()
    assert breaker.after(REJECTED, 130.0, POLICY) == Breaker()


def test_an_endpoint_may_put_the_probe_off_up_to_an_hour() -> None:
    breaker = Breaker(failures=4)

    assert breaker.after(Retry(reason="", retry_after_s=300.0), 0.0, POLICY).probe_at == 300.0
    assert breaker.after(Retry(reason="", retry_after_s=1e9), 0.0, POLICY).probe_at == 3600.0


def throttled(retry_after_s: float | None = None) -> Retry:
    return Retry(reason="HTTP 429", status=429, retry_after_s=retry_after_s)


@pytest.mark.parametrize(("asked_s", "wait_s"), [(None, 30.0), (0.0, 1.0), (5.0, 5.0), (1e9, 3600.0)])
def test_an_endpoint_that_asks_us_to_wait_is_left_alone_for_as_long(asked_s: float | None, wait_s: float) -> None:
    breaker = Breaker(failures=3).after(throttled(asked_s), 100.0, POLICY)

    assert breaker == Breaker(probe_at=100.0 + wait_s, is_throttled=True)


def test_what_was_on_its_way_does_not_end_a_wait_and_what_comes_after_it_does() -> None:
    breaker = Breaker().after(throttled(10.0), 100.0, POLICY)

    assert breaker.after(Delivered(status=200), 105.0, POLICY) == breaker
    assert breaker.after(TIMEOUT, 105.0, POLICY) == breaker
    assert breaker.after(Delivered(status=200), 110.0, POLICY) == Breaker()
    assert breaker.after(TIMEOUT, 110.0, POLICY) == Breaker(failures=1)
    assert breaker.after(throttled(20.0), 110.0, POLICY).probe_at == 130.0


def test_a_shorter_wait_does_not_end_a_longer_one() -> None:
    breaker = Breaker().after(throttled(3600.0), 100.0, POLICY)

    assert breaker.after(throttled(0.0), 101.0, POLICY) == breaker
    assert breaker.after(throttled(3600.0), 101.0, POLICY).probe_at == 3701.0
    assert breaker.after(throttled(0.0), 3700.0, POLICY).probe_at == 3701.0


def test_an_event_is_not_blamed_for_the_wait_of_its_endpoint() -> None:
    tries = Tries(attempts=len(POLICY.schedule_s))

    for is_open in (False, True):
        context = AttemptContext(at=NOW, chance=0.5, is_open=is_open, is_probe=is_open)
        assert after_attempt(tries, throttled(50.0), context, POLICY) == RetryAt(tries=tries, next_at=NOW + 50.0)


@pytest.mark.parametrize(
    ("result", "status", "error", "failing_since"),
    [
        (Delivered(status=204), 204, None, None),
        (TIMEOUT, None, "timeout", NOW),
        (ERROR, 500, "it answered 500 Internal Server Error", NOW),
        (Retry(reason="HTTP 419", status=419), 419, "it answered 419", NOW),
        (throttled(), 429, "it answered 429 Too Many Requests", None),
        (REJECTED, 422, "it refused an event: 422 Unprocessable", None),
        (Gone(), 410, "it wants nothing any more: 410 Gone", None),
    ],
)
def test_the_last_answer_is_told_in_a_short_sentence(
    result: AttemptResult, status: int | None, error: str | None, failing_since: float | None
) -> None:
    last = LastAnswer().then(result, NOW)

    assert (last.status, last.failing_since) == (status, failing_since)
    assert last.error == error or (error is not None and str(last.error).startswith(error))


def test_failures_in_a_row_are_counted_from_the_first() -> None:
    last = LastAnswer().then(TIMEOUT, 1.0).then(ERROR, 2.0)

    assert last.failing_since == 1.0
    assert last.then(Delivered(status=200), 3.0).then(TIMEOUT, 4.0).failing_since == 4.0


def test_both_secrets_sign_for_a_day_after_a_rotation() -> None:
    endpoint = Endpoint(endpoint_id=EndpointId("e"), url="", secret="new", created_at=0.0, updated_at=0.0)
    rotated = Endpoint(
        endpoint_id=EndpointId("e"),
        url="",
        secret="new",
        previous_secret="old",
        rotated_at=NOW,
        created_at=0.0,
        updated_at=0.0,
    )

    assert not endpoint.is_signed_twice(NOW)
    assert rotated.is_signed_twice(NOW + ROTATION_S - 1)
    assert not rotated.is_signed_twice(NOW + ROTATION_S)


@pytest.mark.parametrize(
    ("events", "sessions", "event_type", "session_id", "expected"),
    [
        (("*",), ("*",), "session.qr", "a", True),
        (("*",), ("*",), "manager.started", None, True),
        (("session.qr", "message.*"), ("user_1_*",), "message.sent", "user_1_x", True),
        (("session.qr", "message.*"), ("user_1_*",), "session.status", "user_1_x", False),
        (("*",), ("user_1_*",), "session.qr", "user_10", False),
        (("*",), ("user_1_*",), "manager.started", None, False),
    ],
)
def test_an_endpoint_wants_what_fits_one_of_its_patterns_of_both_kinds(
    events: tuple[str, ...], sessions: tuple[str, ...], event_type: str, session_id: str | None, expected: bool
) -> None:
    endpoint = Endpoint(
        endpoint_id=EndpointId("e"), url="", secret="", events=events, sessions=sessions, created_at=0.0, updated_at=0.0
    )
    event = Event(type=event_type, occurred_at=NOW, session_id=SessionId(session_id) if session_id else None)

    assert endpoint.wants(event) is expected
