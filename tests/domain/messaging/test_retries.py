"""When a message is asked of its engine again; never twice without a memory that knows its key."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.messaging.outcomes import SendCode, TryAgain, Uncertain
from openwa_manager.domain.messaging.retries import (
    KEY_LIFE_S,
    AskAgain,
    AskedBefore,
    EngineMemory,
    GivenUp,
    RetryPolicy,
    after_try_again,
    after_uncertain,
    is_same_memory,
)

MEMORY = EngineMemory(version="0.25.1", inner_id="659b1334", data_id="d1")
OLD = replace(MEMORY, version="0.23.1")
SILENCE = Uncertain(code=SendCode.NO_ANSWER, detail="silence")
POLICY = RetryPolicy()
GUIDE = RetryPolicy(retry_uncertain=True)
NOW = 1_000_000.0

memories = st.builds(
    EngineMemory,
    version=st.none() | st.sampled_from(["0.24.9", "0.25.0", "0.30.3", "1.0.0", "v0.25.0", "?"]) | st.text(),
    inner_id=st.none() | st.sampled_from(["a", "b"]),
    data_id=st.none() | st.sampled_from(["c", "d"]),
)
verdicts = st.builds(
    Uncertain,
    code=st.sampled_from(SendCode),
    detail=st.text(),
    is_lasting=st.booleans(),
    after_s=st.none() | st.floats(1, 86_400),
)


def asked(attempts: int = 1, memory: EngineMemory | None = MEMORY, first_at: float = NOW) -> AskedBefore:
    return AskedBefore(attempts=attempts, first_at=first_at, memory=memory)


@pytest.mark.parametrize(("attempts", "at"), [(1, NOW + 5), (2, NOW + 25), (3, NOW + 125)])
def test_the_same_key_is_used_after_growing_pauses(attempts: int, at: float) -> None:
    assert after_uncertain(SILENCE, asked(attempts), MEMORY, NOW, POLICY) == AskAgain(at=at, with_key=True)


@pytest.mark.parametrize("attempts", [0, 4, 100])
@pytest.mark.parametrize("policy", [POLICY, GUIDE])
def test_after_the_last_pause_it_is_given_up(attempts: int, policy: RetryPolicy) -> None:
    assert isinstance(after_uncertain(SILENCE, asked(attempts), MEMORY, NOW, policy), GivenUp)


def test_an_engine_that_says_when_is_asked_then() -> None:
    verdict = replace(SILENCE, after_s=40.0)

    assert after_uncertain(verdict, asked(), MEMORY, NOW, POLICY) == AskAgain(at=NOW + 40, with_key=True)


def test_an_engine_that_is_away_is_asked_later() -> None:
    assert after_uncertain(SILENCE, asked(), None, NOW, POLICY) == AskAgain(at=NOW + 5, with_key=True)


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (None, MEMORY),
        (OLD, MEMORY),
        (MEMORY, OLD),
        (OLD, None),
        (MEMORY, replace(MEMORY, inner_id="another")),
        (MEMORY, replace(MEMORY, data_id="another")),
        (MEMORY, replace(MEMORY, data_id=None)),
        (replace(MEMORY, data_id=None), replace(MEMORY, data_id=None)),
        (replace(MEMORY, inner_id=None), replace(MEMORY, inner_id=None)),
        (replace(MEMORY, version=None), MEMORY),
    ],
)
def test_another_memory_is_not_asked(then: EngineMemory | None, now: EngineMemory | None) -> None:
    given_up = after_uncertain(SILENCE, asked(memory=then), now, NOW, POLICY)
    by_the_guide = after_uncertain(SILENCE, asked(memory=then), now, NOW, GUIDE)

    assert isinstance(given_up, GivenUp)
    assert by_the_guide == AskAgain(at=NOW + 5, with_key=False)


def test_an_engine_that_does_not_know_itself_is_not_asked_again() -> None:
    lasting = Uncertain(code=SendCode.KEY_OUTCOME_UNKNOWN, detail="it says so", is_lasting=True)

    assert after_uncertain(lasting, asked(), MEMORY, NOW, POLICY) == GivenUp(detail="it says so")
    assert after_uncertain(lasting, asked(), MEMORY, NOW, GUIDE) == AskAgain(at=NOW + 5, with_key=False)


@pytest.mark.parametrize("first_at", [NOW - KEY_LIFE_S, NOW - KEY_LIFE_S + 4, NOW + KEY_LIFE_S + 6, float("nan")])
@pytest.mark.parametrize("policy", [POLICY, GUIDE])
def test_a_key_the_engine_may_have_forgotten_is_not_used(first_at: float, policy: RetryPolicy) -> None:
    assert isinstance(after_uncertain(SILENCE, asked(first_at=first_at), MEMORY, NOW, policy), GivenUp)


@given(then=st.none() | memories, now=st.none() | memories, verdict=verdicts, attempts=st.integers(-1, 5))
def test_without_the_guides_rule_nothing_is_sent_without_a_key(
    then: EngineMemory | None, now: EngineMemory | None, verdict: Uncertain, attempts: int
) -> None:
    follows = after_uncertain(verdict, asked(attempts, then), now, NOW, POLICY)

    if isinstance(follows, AskAgain):
        assert follows.with_key
        assert follows.at >= NOW + 1
        assert then is not None
        assert then.keeps_keys
        assert now is None or is_same_memory(then, now)
        assert not verdict.is_lasting


@given(then=memories, now=memories)
def test_the_same_memory_is_the_same_both_ways(then: EngineMemory, now: EngineMemory) -> None:
    assert is_same_memory(then, now) == is_same_memory(now, then)
    assert is_same_memory(then, then) == (then.keeps_keys and None not in (then.inner_id, then.data_id))


def test_an_overloaded_engine_is_tried_again_as_it_says_or_after_growing_pauses_and_no_more() -> None:
    told, silent = TryAgain(after_s=2.0, detail="busy"), TryAgain(after_s=None, detail="busy")

    assert [after_try_again(told, number, NOW, POLICY) for number in (1, 3, 4)] == [NOW + 2, NOW + 2, None]
    assert [after_try_again(silent, number, NOW, POLICY) for number in (1, 3, 4)] == [NOW + 5, NOW + 125, None]
