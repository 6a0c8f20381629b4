"""One attempt to send a message: what is asked of the engine, what came of it, and what that proves.

Theory. A message may be sent once more only when it is proven that it was not sent. The proofs are few: nobody was
reached, the request did not leave whole, or the engine itself refused it. All else, an engine that breaks or is silent
above all, proves nothing: it may have sent the message before it broke. Such an attempt is asked about, not repeated:
by the same request under the same key, which an engine that remembers the key answers without sending again. What it
answers to that, but for the first answer itself, is about the question: "too many requests" said to the second request
proves nothing about the first. So `judge` is told whether it judges a first request or a question.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from openwa_manager.domain.messaging.messages import Kind
from openwa_manager.domain.texts import DETAIL_MAX, cut
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFile:
    """A file of ours that is sent; it must have exactly `size_bytes`."""

    path: Path
    mimetype: str
    filename: str | None
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What an engine is asked to send; with media, `text` is its caption and may be empty."""

    chat_id: str
    kind: Kind
    text: str = field(default="", repr=False)
    media: MediaFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The engine answered; `text` is its reason, `code` its word for it, None what it did not say.

    `is_whole` False: the head came, but its body broke off, or was nothing that can be read.
    """

    http_status: int
    message_id: str | None = None
    code: str | None = None
    text: str = ""
    retry_after_s: float | None = None
    is_whole: bool = True

    def __post_init__(self) -> None:
        cut(self, text=DETAIL_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReached:
    """No engine of ours has taken the request: nobody listens, or somebody else does, who was told nothing."""

    detail: str

    def __post_init__(self) -> None:
        cut(self, detail=DETAIL_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotWhole:
    """The line broke, or time was up, before the request had left whole: an engine can do nothing with a part of it."""

    detail: str

    def __post_init__(self) -> None:
        cut(self, detail=DETAIL_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaUnreadable:
    """Our own file could not be read, or was not the one it should be: the request did not leave whole."""

    detail: str

    def __post_init__(self) -> None:
        cut(self, detail=DETAIL_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """The request had left, and no answer came: the engine may have done anything with it."""

    detail: str

    def __post_init__(self) -> None:
        cut(self, detail=DETAIL_MAX)


SendAnswer = Answered | NotReached | NotWhole | MediaUnreadable | NoAnswer


class SendCode(StrEnum):
    """Why a message was not sent, or why nobody knows; stable words that callers see as `error_code`."""

    BLOCKED = "blocked"
    NOT_ON_WHATSAPP = "not_on_whatsapp"
    INVALID_REQUEST = "invalid_request"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    MEDIA_TOO_LARGE = "media_too_large"
    MEDIA_UNSUPPORTED = "media_unsupported"
    MEDIA_REFUSED = "media_refused"
    MEDIA_UNAVAILABLE = "media_unavailable"
    ENGINE_BUSY = "engine_busy"
    NO_ANSWER = "no_answer"
    ENGINE_ERROR = "engine_error"
    ANSWER_UNCLEAR = "answer_unclear"
    KEY_IN_PROGRESS = "key_in_progress"
    KEY_OUTCOME_UNKNOWN = "key_outcome_unknown"
    KEY_MISMATCH = "key_mismatch"
    ASKED_IN_VAIN = "asked_in_vain"


#: What each code says to people, where the engine itself says nothing (`error_detail`).
SENTENCES: Mapping[SendCode, str] = {
    SendCode.BLOCKED: "the recipient has blocked this number",
    SendCode.NOT_ON_WHATSAPP: "the number is not on WhatsApp",
    SendCode.INVALID_REQUEST: "the engine refused the message as invalid",
    SendCode.FORBIDDEN: "WhatsApp or the engine does not allow this message",
    SendCode.NOT_FOUND: "the engine does not know what the message is about",
    SendCode.REFUSED: "the engine refused the message",
    SendCode.MEDIA_TOO_LARGE: "the engine refused the media as too large",
    SendCode.MEDIA_UNSUPPORTED: "the engine does not take media of this type",
    SendCode.MEDIA_REFUSED: "the engine refused the media",
    SendCode.MEDIA_UNAVAILABLE: "the media could not be had",
    SendCode.ENGINE_BUSY: "the engine did not take the message at any attempt",
    SendCode.NO_ANSWER: "the engine did not answer; whether it sent the message is unknown",
    SendCode.ENGINE_ERROR: "the engine failed; whether it sent the message is unknown",
    SendCode.ANSWER_UNCLEAR: "the engine's answer says nothing; whether it sent the message is unknown",
    SendCode.KEY_IN_PROGRESS: "the engine was still sending the message when it was last asked",
    SendCode.KEY_OUTCOME_UNKNOWN: "the engine itself does not know whether it sent the message",
    SendCode.KEY_MISMATCH: "the engine knows another message under this key, which it may have sent",
    SendCode.ASKED_IN_VAIN: "the engine could not be asked whether it sent the message",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """It was sent; `message_id` is WhatsApp's, None when the engine did not tell it."""

    message_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotConnected:
    """Not sent: the engine has no link now, or there is no engine. No attempt is used up."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimited:
    """Not sent: the engine takes no message for `after_s`, its own limits say. No attempt is used up."""

    after_s: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain:
    """Not sent, and it may be sent later: after `after_s` if the engine said when."""

    after_s: float | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Not sent, and it never will be."""

    code: SendCode
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounced:
    """Not sent: whom it is for cannot be reached, or does not want to be."""

    code: SendCode
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain:
    """It may have been sent. `is_lasting`: asking again under the same key would bring nothing else.

    `after_s` is how long the engine wants to be left alone, if it said so. `may_be_restricted`: the engine failed,
    which it also does when WhatsApp lets the account write to nobody new (`restrictions.judge_restriction`).
    """

    code: SendCode
    detail: str
    is_lasting: bool = False
    after_s: float | None = None
    may_be_restricted: bool = False


Verdict = Sent | NotConnected | EngineLimited | TryAgain | Failed | Bounced | Uncertain

#: OpenWA's own words for a keyed request, since 0.25.
_KEYED: Mapping[str, tuple[SendCode, bool]] = {
    "IDEMPOTENCY_KEY_IN_PROGRESS": (SendCode.KEY_IN_PROGRESS, False),
    "IDEMPOTENCY_OUTCOME_UNKNOWN": (SendCode.KEY_OUTCOME_UNKNOWN, True),
    "IDEMPOTENCY_KEY_MISMATCH": (SendCode.KEY_MISMATCH, True),
}
_KEYED_PREFIX = "IDEMPOTENCY_"
_PACED = "SEND_PACING_LIMITED"
_NOT_ACTIVE = re.compile(r"\bsession\b.*\bnot active\b", re.IGNORECASE | re.DOTALL)
_BLOCKED = re.compile(r"\bblocked\b", re.IGNORECASE)
_NOT_ON_WHATSAPP = re.compile(r"\bnot (?:registered )?on whatsapp\b", re.IGNORECASE)
#: "Blocked" by whom: none of these is the recipient.
_BY_OTHERS = re.compile(r"\b(?:plugin|hook|url|address|request|host|ip)\b", re.IGNORECASE)
_MEDIA = re.compile(r"\b(?:media|base64|mime ?type|file)\b", re.IGNORECASE)
_REFUSALS: Mapping[int, SendCode] = {
    400: SendCode.INVALID_REQUEST,
    403: SendCode.FORBIDDEN,
    404: SendCode.NOT_FOUND,
    413: SendCode.MEDIA_TOO_LARGE,
    415: SendCode.MEDIA_UNSUPPORTED,
    422: SendCode.INVALID_REQUEST,
}

#: A pause that an engine asks for is at least and at most so long; pacing by the day asks for some hours.
AFTER_MIN_S, AFTER_MAX_S = 1.0, 86_400.0
#: The pause after a refusal for too many requests that does not say how long: the longest but one of OpenWA's windows.
LIMITED_S = 60.0


def judge(answer: SendAnswer, *, is_question: bool = False) -> Verdict:
    """Return what an answer proves.

    `is_question`: an earlier request of this message has an unknown outcome, and this one, under its key, asked for it;
    then only the first answer itself is proof.
    """
    verdict = _judged(answer)
    return _of_question(verdict) if is_question else verdict


def after_s(seconds: float | None) -> float | None:
    """Return a pause that an engine asked for within our limits; None when it is no number of seconds."""
    if seconds is None or math.isnan(seconds):
        return None
    return min(AFTER_MAX_S, max(AFTER_MIN_S, seconds))


def _judged(answer: SendAnswer) -> Verdict:
    match answer:
        case Answered():
            return _of_answer(answer)
        case NotReached(detail=detail):
            return NotConnected(detail=detail)
        case NotWhole(detail=detail):
            return TryAgain(after_s=None, detail=detail)
        case MediaUnreadable(detail=detail):
            return Failed(code=SendCode.MEDIA_UNAVAILABLE, detail=detail)
        case NoAnswer(detail=detail):
            return Uncertain(code=SendCode.NO_ANSWER, detail=detail)
        case _:
            assert_never(answer)


def _of_answer(answer: Answered) -> Verdict:
    match answer.http_status // 100:
        case 2:
            return Sent(message_id=answer.message_id)
        case 4:
            return _refusal(answer)
        case 5:
            return _failure(answer)
        case _:
            return _uncertain(SendCode.ANSWER_UNCLEAR, answer)


def _refusal(answer: Answered) -> Verdict:
    keyed = _keyed(answer)
    if keyed is not None:
        return keyed
    match answer.http_status:
        case 401:
            return NotConnected(detail=_detail(answer, "the engine does not take our key"))
        case 408 | 425:
            return TryAgain(
                after_s=after_s(answer.retry_after_s), detail=_detail(answer, "it did not take the request")
            )
        case 409:
            return NotConnected(detail=_detail(answer, "the engine is not connected"))
        case 429:
            pause_s = after_s(answer.retry_after_s) or LIMITED_S
            sentence = "the engine paces its messages" if answer.code == _PACED else "too many requests"
            return EngineLimited(after_s=pause_s, detail=_detail(answer, sentence))
        case _:
            return _refusal_for_good(answer)


def _keyed(answer: Answered) -> Uncertain | None:
    """Return what a refusal says of an earlier request under the same key; None when it is about this one.

    An answer that cannot be read may be one of them, if its status is.
    """
    code = answer.code or ""
    if code.startswith(_KEYED_PREFIX):
        word, is_lasting = _KEYED.get(code, (SendCode.ANSWER_UNCLEAR, False))
        return _uncertain(word, answer, is_lasting=is_lasting)
    if answer.http_status in (409, 422) and not answer.is_whole:
        return _uncertain(SendCode.ANSWER_UNCLEAR, answer)
    return None


def _refusal_for_good(answer: Answered) -> Verdict:
    text = answer.text
    if not answer.is_whole:
        return TryAgain(after_s=None, detail=_detail(answer, "the engine refused the message and did not say why"))
    if answer.http_status in (400, 404) and _NOT_ACTIVE.search(text):
        return NotConnected(detail=_detail(answer, "the session is not active"))
    if _BLOCKED.search(text) and not _BY_OTHERS.search(text):
        return Bounced(code=SendCode.BLOCKED, detail=_detail(answer, SENTENCES[SendCode.BLOCKED]))
    if _NOT_ON_WHATSAPP.search(text):
        return Bounced(code=SendCode.NOT_ON_WHATSAPP, detail=_detail(answer, SENTENCES[SendCode.NOT_ON_WHATSAPP]))
    code = _REFUSALS.get(answer.http_status, SendCode.REFUSED)
    if code is SendCode.INVALID_REQUEST and _MEDIA.search(text):
        code = SendCode.MEDIA_REFUSED
    return Failed(code=code, detail=_detail(answer, SENTENCES[code]))


def _failure(answer: Answered) -> Verdict:
    if answer.http_status == 503 and answer.retry_after_s is not None:
        return TryAgain(after_s=after_s(answer.retry_after_s), detail=_detail(answer, "the engine is overloaded"))
    return _uncertain(SendCode.ENGINE_ERROR, answer, may_be_restricted=True)


def _uncertain(
    code: SendCode, answer: Answered, *, is_lasting: bool = False, may_be_restricted: bool = False
) -> Uncertain:
    return Uncertain(
        code=code,
        detail=_detail(answer, SENTENCES[code]),
        is_lasting=is_lasting,
        after_s=after_s(answer.retry_after_s),
        may_be_restricted=may_be_restricted,
    )


def _of_question(verdict: Verdict) -> Verdict:
    """Return what is left of a verdict on a question: a refusal of it says nothing of the request before it."""
    match verdict:
        case Sent():
            return verdict
        case Uncertain():
            return replace(verdict, may_be_restricted=False)
        case EngineLimited(after_s=pause_s, detail=detail) | TryAgain(after_s=pause_s, detail=detail):
            return Uncertain(code=SendCode.ASKED_IN_VAIN, detail=detail, after_s=pause_s)
        case NotConnected(detail=detail) | Failed(detail=detail) | Bounced(detail=detail):
            return Uncertain(code=SendCode.ASKED_IN_VAIN, detail=detail)
        case _:
            assert_never(verdict)


def _detail(answer: Answered, sentence: str) -> str:
    return f"HTTP {answer.http_status}: {answer.text or sentence}"[:DETAIL_MAX]
