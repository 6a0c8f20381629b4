"""The table of proofs: what an engine did with a send, and what that proves."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.messaging.messages import Kind
from openwa_manager.domain.messaging.outcomes import (
    AFTER_MAX_S,
    AFTER_MIN_S,
    LIMITED_S,
    SENTENCES,
    Answered,
    Bounced,
    EngineLimited,
    Failed,
    MediaFile,
    MediaUnreadable,
    NoAnswer,
    NotConnected,
    NotReached,
    NotWhole,
    Outgoing,
    SendAnswer,
    SendCode,
    Sent,
    TryAgain,
    Uncertain,
    Verdict,
    after_s,
    judge,
)

NOT_ACTIVE = "Session '659b1334' is not active. Start the session first."
NOT_READY = "Session is not connected. The WhatsApp client is not ready."
PACED = "Daily allowance of 2 new conversation(s) reached for a session 0 day(s) old"

answers = st.builds(
    Answered,
    http_status=st.integers(-1, 1000),
    message_id=st.none() | st.just("3EB0887AEDA653514F62BD"),
    code=st.none() | st.sampled_from(["SEND_PACING_LIMITED", "IDEMPOTENCY_KEY_IN_PROGRESS", "OTHER"]) | st.text(),
    text=st.sampled_from(["", NOT_ACTIVE, "Number blocked", "base64"]) | st.text(),
    retry_after_s=st.none() | st.floats(),
    is_whole=st.booleans(),
)
anything: st.SearchStrategy[SendAnswer] = st.one_of(
    answers,
    st.builds(NotReached, detail=st.text()),
    st.builds(NotWhole, detail=st.text()),
    st.builds(MediaUnreadable, detail=st.text()),
    st.builds(NoAnswer, detail=st.text()),
)


def said(status: int, text: str = "", code: str | None = None, retry_after_s: float | None = None) -> Answered:
    return Answered(http_status=status, text=text, code=code, retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (NotReached(detail="nobody listens"), NotConnected),
        (NotWhole(detail="broke"), TryAgain),
        (MediaUnreadable(detail="gone"), Failed),
        (NoAnswer(detail="silence"), Uncertain),
        (said(400, NOT_ACTIVE), NotConnected),
        (said(404, "Session 'x' is not active"), NotConnected),
        (said(401, "Invalid API key"), NotConnected),
        (said(409, NOT_READY), NotConnected),
        (said(409, "conflict", "SOME_LATER_CODE"), NotConnected),
        (said(429, "ThrottlerException: Too Many Requests"), EngineLimited),
        (said(503, "busy", retry_after_s=2), TryAgain),
        (said(408), TryAgain),
        (said(425), TryAgain),
        (said(503, "dead page"), Uncertain),
        (said(500, "Internal server error", retry_after_s=2), Uncertain),
        (said(501), Uncertain),
        (said(599), Uncertain),
        (said(100), Uncertain),
        (said(302), Uncertain),
        (said(600), Uncertain),
        (said(0), Uncertain),
    ],
)
def test_an_answer_proves_what_the_table_says(answer: SendAnswer, kind: type[Verdict]) -> None:
    assert type(judge(answer)) is kind


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_every_yes_means_sent_with_or_without_an_id(status: int) -> None:
    assert judge(Answered(http_status=status, message_id="3EB0")) == Sent(message_id="3EB0")
    assert judge(Answered(http_status=status, is_whole=False)) == Sent(message_id=None)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (said(400, "text must be shorter than or equal to 4096 characters"), SendCode.INVALID_REQUEST),
        (said(422, "no"), SendCode.INVALID_REQUEST),
        (said(400, "mimetype is required when using base64 data"), SendCode.MEDIA_REFUSED),
        (said(413, "request entity too large"), SendCode.MEDIA_TOO_LARGE),
        (said(415), SendCode.MEDIA_UNSUPPORTED),
        (said(403, "WhatsApp refused the operation"), SendCode.FORBIDDEN),
        (said(404, "Cannot POST /api"), SendCode.NOT_FOUND),
        (said(418), SendCode.REFUSED),
        (said(400, "Message blocked by plugin"), SendCode.INVALID_REQUEST),
        (said(400, "unblocked"), SendCode.INVALID_REQUEST),
    ],
)
def test_a_refusal_for_good_has_a_stable_word(answer: Answered, code: SendCode) -> None:
    verdict = judge(answer)

    assert isinstance(verdict, Failed)
    assert verdict.code is code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Number blocked", SendCode.BLOCKED),
        ("You are BLOCKED by this contact", SendCode.BLOCKED),
        ("628 is not on WhatsApp", SendCode.NOT_ON_WHATSAPP),
        ("The number is not registered on WhatsApp", SendCode.NOT_ON_WHATSAPP),
    ],
)
def test_a_recipient_who_cannot_be_reached_bounces(text: str, code: SendCode) -> None:
    assert judge(said(400, text)) == Bounced(code=code, detail=f"HTTP 400: {text}")


@pytest.mark.parametrize(
    ("status", "word", "code", "is_lasting"),
    [
        (409, "IDEMPOTENCY_KEY_IN_PROGRESS", SendCode.KEY_IN_PROGRESS, False),
        (409, "IDEMPOTENCY_OUTCOME_UNKNOWN", SendCode.KEY_OUTCOME_UNKNOWN, True),
        (422, "IDEMPOTENCY_KEY_MISMATCH", SendCode.KEY_MISMATCH, True),
        (409, "IDEMPOTENCY_SOMETHING_LATER", SendCode.ANSWER_UNCLEAR, False),
    ],
)
@pytest.mark.parametrize("is_question", [False, True])
def test_what_a_key_is_known_by_leaves_the_outcome_open(
    status: int, word: str, code: SendCode, is_lasting: bool, is_question: bool
) -> None:
    verdict = judge(said(status, "no", word), is_question=is_question)

    assert isinstance(verdict, Uncertain)
    assert (verdict.code, verdict.is_lasting) == (code, is_lasting)


@pytest.mark.parametrize(("status", "kind"), [(409, Uncertain), (422, Uncertain), (400, TryAgain), (413, TryAgain)])
def test_a_refusal_that_cannot_be_read_is_not_for_good(status: int, kind: type[Verdict]) -> None:
    assert type(judge(Answered(http_status=status, is_whole=False))) is kind


@pytest.mark.parametrize(
    ("told_s", "pause_s"),
    [
        (None, LIMITED_S),
        (3.0, 3.0),
        (0.0, AFTER_MIN_S),
        (-5.0, AFTER_MIN_S),
        (57_608.0, 57_608.0),
        (1e300, AFTER_MAX_S),
        (float("inf"), AFTER_MAX_S),
        (float("nan"), LIMITED_S),
    ],
)
def test_a_limited_engine_is_left_alone_as_long_as_it_says_within_reason(told_s: float | None, pause_s: float) -> None:
    verdict = judge(said(429, PACED, "SEND_PACING_LIMITED", told_s))

    assert verdict == EngineLimited(after_s=pause_s, detail=f"HTTP 429: {PACED}")


def test_a_failing_engine_may_be_one_of_a_restricted_account() -> None:
    first, question = judge(said(500)), judge(said(500), is_question=True)

    assert isinstance(first, Uncertain)
    assert first.may_be_restricted
    assert isinstance(question, Uncertain)
    assert not question.may_be_restricted


@given(answer=anything)
def test_a_question_is_answered_by_a_yes_or_stays_open(answer: SendAnswer) -> None:
    verdict = judge(answer, is_question=True)

    assert isinstance(verdict, Sent | Uncertain)
    assert isinstance(verdict, Sent) == isinstance(judge(answer), Sent)


@given(answer=anything)
def test_only_a_yes_is_sent_and_only_proof_says_that_nothing_was(answer: SendAnswer) -> None:
    verdict = judge(answer)

    status = answer.http_status if isinstance(answer, Answered) else None
    assert isinstance(verdict, Sent) == (status is not None and 200 <= status <= 299)
    if status is not None and not 400 <= status <= 499 and status != 503:
        assert isinstance(verdict, Sent | Uncertain)
    if isinstance(answer, NoAnswer):
        assert isinstance(verdict, Uncertain)


@given(answer=anything, is_question=st.booleans())
def test_every_pause_and_every_sentence_has_a_bound(answer: SendAnswer, is_question: bool) -> None:
    verdict = judge(answer, is_question=is_question)

    if isinstance(verdict, EngineLimited | TryAgain | Uncertain) and verdict.after_s is not None:
        assert AFTER_MIN_S <= verdict.after_s <= AFTER_MAX_S
    if not isinstance(verdict, Sent):
        assert len(verdict.detail) <= 1000


@given(seconds=st.none() | st.floats())
def test_a_pause_is_within_the_limits_or_none(seconds: float | None) -> None:
    pause_s = after_s(seconds)

    assert pause_s is None or AFTER_MIN_S <= pause_s <= AFTER_MAX_S


def test_every_word_has_a_sentence() -> None:
    assert set(SENTENCES) == set(SendCode)


def test_no_text_shows_in_a_log() -> None:
    media = MediaFile(path=Path("/m"), mimetype="image/png", filename=None, size_bytes=1)

    assert "secret" not in repr(Outgoing(chat_id="1@c.us", kind=Kind.IMAGE, text="secret", media=media))
