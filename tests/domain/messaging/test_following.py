import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.messaging.following import EndedAttempt, Followed, follow
from openwa_manager.domain.messaging.messages import MOVES, AttemptOutcome, MessageStatus, Move
from openwa_manager.domain.messaging.outcomes import (
    Bounced,
    EngineLimited,
    Failed,
    NotConnected,
    SendCode,
    Sent,
    TryAgain,
    Uncertain,
    Verdict,
)
from openwa_manager.domain.messaging.restrictions import AccountRestricted
from openwa_manager.domain.messaging.retries import AskedBefore, EngineMemory, RetryPolicy

S = MessageStatus
NOW = 1000.0
KEEPS = EngineMemory(version="0.25.0", inner_id="i", data_id="d")
FIRST = AskedBefore(attempts=1, first_at=NOW - 1, memory=None)
KEYED = AskedBefore(attempts=1, first_at=NOW - 1, memory=KEEPS)
UNCERTAIN = Uncertain(code=SendCode.NO_ANSWER, detail="silence")
VERDICTS: list[Verdict] = [
    Sent(message_id="3EB0"),
    NotConnected(detail="no link"),
    EngineLimited(after_s=5.0, detail="slow down"),
    TryAgain(after_s=None, detail="busy"),
    Failed(code=SendCode.REFUSED, detail="no"),
    Bounced(code=SendCode.BLOCKED, detail="blocked"),
    UNCERTAIN,
]


def of_api(before: AskedBefore = FIRST, memory_now: EngineMemory | None = None) -> EndedAttempt:
    return EndedAttempt(before=before, memory_now=memory_now)


def followed(
    verdict: Verdict, asked: EndedAttempt, policy: RetryPolicy | None = None
) -> tuple[MessageStatus | None, Followed]:
    found = follow(verdict, asked, NOW, policy or RetryPolicy())
    return (found.step.to if found.step else None), found


@pytest.mark.parametrize(
    ("verdict", "to", "outcome"),
    [
        (VERDICTS[0], S.SENT, AttemptOutcome.SENT),
        (VERDICTS[1], S.QUEUED, AttemptOutcome.NOT_TAKEN),
        (VERDICTS[2], S.QUEUED, AttemptOutcome.NOT_TAKEN),
        (VERDICTS[3], S.QUEUED, AttemptOutcome.PUT_OFF),
        (VERDICTS[4], S.FAILED, AttemptOutcome.REFUSED),
        (VERDICTS[5], S.BOUNCED, AttemptOutcome.REFUSED),
        (VERDICTS[6], S.UNKNOWN, AttemptOutcome.UNCERTAIN),
    ],
)
def test_each_verdict_has_its_step(verdict: Verdict, to: MessageStatus, outcome: AttemptOutcome) -> None:
    found_to, found = followed(verdict, of_api())

    assert (found_to, found.outcome) == (to, outcome)


def test_an_engine_that_remembers_the_key_is_asked_again_and_the_message_stays_in_flight() -> None:
    to, found = followed(UNCERTAIN, of_api(KEYED, KEEPS))

    assert to is None
    assert found.next_at == NOW + 5.0


def test_without_a_key_it_is_sent_again_only_for_who_wants_it_so() -> None:
    to, found = followed(UNCERTAIN, of_api(), RetryPolicy(retry_uncertain=True))

    assert to is S.QUEUED
    assert found.step is not None
    assert found.step.due_at == found.next_at == NOW + 5.0


def test_the_last_try_fails_for_good() -> None:
    to, found = followed(VERDICTS[3], of_api(AskedBefore(attempts=4, first_at=0.0, memory=None)))

    assert to is S.FAILED
    assert found.step is not None
    assert found.step.error is not None
    assert found.step.error.code == SendCode.ENGINE_BUSY


def test_a_restriction_proves_that_a_first_contact_was_not_sent() -> None:
    restriction = AccountRestricted(kind="reachout_timelock", holds_all=False, until=NOW + 60, is_proof=True)
    asked = EndedAttempt(before=FIRST, restriction=restriction)

    assert followed(UNCERTAIN, asked)[0] is S.QUEUED


@given(verdict=st.sampled_from(VERDICTS), attempts=st.integers(1, 9), retries=st.booleans(), keyed=st.booleans())
def test_a_message_of_the_gateway_always_ends_with_its_first_answer(
    verdict: Verdict, attempts: int, *, retries: bool, keyed: bool
) -> None:
    before = AskedBefore(attempts=attempts, first_at=NOW, memory=KEEPS if keyed else None)
    asked = EndedAttempt(before=before, memory_now=KEEPS, caller_waits=True)

    found = follow(verdict, asked, NOW, RetryPolicy(retry_uncertain=retries))

    assert isinstance(found.step, Move)
    assert found.step.to is not S.QUEUED
    assert found.next_at is None


@given(verdict=st.sampled_from(VERDICTS), attempts=st.integers(0, 9), retries=st.booleans(), keyed=st.booleans())
def test_every_step_is_one_of_the_table(verdict: Verdict, attempts: int, *, retries: bool, keyed: bool) -> None:
    before = AskedBefore(attempts=attempts, first_at=NOW, memory=KEEPS if keyed else None)

    found = follow(verdict, of_api(before, KEEPS), NOW, RetryPolicy(retry_uncertain=retries))

    assert found.step is None or found.step.to in MOVES[S.SENDING]
    assert (found.step is None) <= (found.next_at is not None and keyed)


def test_an_engine_that_says_itself_that_nobody_knows_is_quoted_once() -> None:
    verdict = Uncertain(code=SendCode.KEY_OUTCOME_UNKNOWN, detail="it says so", is_lasting=True)

    to, found = followed(verdict, of_api(KEYED, KEEPS))

    assert to is S.UNKNOWN
    assert found.step is not None
    assert found.step.error is not None
    assert found.step.error.detail == "it says so"
