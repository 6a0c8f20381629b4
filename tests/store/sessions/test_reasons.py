"""A stored reason: facts come back as they were, and what a program does not know comes back as its sentence."""

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.session.reasons import Facts, Reason, ReasonCode, Silence, Words
from openwa_manager.store.sessions.reasons import reason_of, reason_to_json

SENTENCE = "no sign of life for 120 s"
SILENCE = Reason(code=ReasonCode.NETWORK, facts=Silence(limit_s=120.0), at=1.0)


def is_finite(facts: Facts) -> bool:
    """Tell whether all numbers are some that JSON knows: they are limits and counts."""
    return all(math.isfinite(value) for value in dataclasses.astuple(facts) if isinstance(value, float))


@given(code=st.sampled_from(ReasonCode), facts=st.none() | st.from_type(Facts).filter(is_finite))  # type: ignore[arg-type]
def test_a_reason_comes_back_as_it_was(code: ReasonCode, facts: Facts | None) -> None:
    reason = Reason(code=code, facts=facts, at=1.5)

    assert reason_of(reason_to_json(reason)) == reason


def test_no_reason_stays_none() -> None:
    assert reason_of(reason_to_json(None)) is None


@pytest.mark.parametrize(("detail", "facts"), [("a cable is cut", Words(text="a cable is cut")), ("", None)])
def test_a_reason_of_a_version_without_facts_keeps_its_sentence(detail: str, facts: Facts | None) -> None:
    stored = json.dumps({"code": "network", "detail": detail, "at": 1.0})

    assert reason_of(stored) == Reason(code=ReasonCode.NETWORK, facts=facts, at=1.0)


def test_silence_of_a_version_without_facts_is_still_silence() -> None:
    stored = json.dumps({"code": "network", "detail": "no sign of life for 120 s", "at": 1.0})

    assert reason_of(stored) == Reason(code=ReasonCode.NETWORK, facts=Silence(limit_s=120.0), at=1.0)


@pytest.mark.parametrize("facts", [{"type": "Invented"}, {"type": "Silence"}, {}, {"type": "Silence", "limit_s": "x"}])
def test_facts_this_version_does_not_know_come_back_as_their_sentence(facts: dict[str, str]) -> None:
    stored = reason_to_json(SILENCE)
    assert stored is not None

    read = reason_of(json.dumps({**json.loads(stored), "facts": facts}))

    assert read == Reason(code=ReasonCode.NETWORK, facts=Words(text=SENTENCE), at=1.0)


def test_a_former_version_finds_the_sentence_where_it_looks_for_it() -> None:
    stored = reason_to_json(SILENCE)

    assert stored is not None
    assert json.loads(stored)["detail"] == SENTENCE
