"""What is wrong with one endpoint: read from what it answered, or from how it is called."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.diagnosis.table import found
from openwa_manager.domain.messaging.media_problems import NONE_PUBLIC, NOT_PUBLIC
from openwa_manager.domain.values import dataclass

SECRET_MIN_CHARS: Final = 16

#: What each status says of the backend.
_OF_STATUS: Final[Mapping[int, str]] = {
    401: "webhook_unauthorized",
    403: "webhook_forbidden",
    404: "webhook_not_found",
    405: "webhook_method",
    410: "webhook_gone",
    419: "webhook_csrf",
    429: "webhook_throttled",
    502: "webhook_proxy",
    503: "webhook_proxy",
    504: "webhook_proxy",
}
_REFUSED_BODY: Final = frozenset({400, 413, 415, 422})
#: Cloudflare's own statuses for a server that it does not reach: 520 to 530.
_CLOUDFLARE: Final = range(520, 531)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFacts:
    """What is known of an endpoint; `secret_chars` None: its secret is a random one of ours.

    `last_status` and `last_error` are of the last attempt that failed; both None: none has, or it is not known.
    """

    endpoint_id: str
    word: Literal["ok", "down", "throttled", "paused", "disabled"]
    pending_count: int
    secret_chars: int | None
    is_secret_set: bool = True
    last_status: int | None = None
    last_error: str | None = None


def subject_of(endpoint_id: str) -> str:
    """Return the subject of findings about an endpoint."""
    return f"endpoint {endpoint_id}"


def endpoint_findings(facts: EndpointFacts) -> Iterator[Finding]:
    """Yield what is to be said of an endpoint without asking it; nothing of one that is well."""
    subject, shown = subject_of(facts.endpoint_id), {"endpoint_id": facts.endpoint_id, "count": facts.pending_count}
    if facts.word == "paused":
        yield found("endpoint_paused", subject, **shown)
    elif facts.word == "disabled":
        yield found("endpoint_disabled", subject, **shown)
    elif facts.word == "down":
        said = facts.last_status or facts.last_error
        yield found("endpoint_down", subject, detail=said or "see its test", **shown)
    if facts.last_status is not None or facts.last_error is not None:
        yield judge_answer(facts.endpoint_id, facts.last_status, facts.last_error)
    yield from secret_findings(subject, facts.secret_chars, is_set=facts.is_secret_set)


def secret_findings(subject: str, char_count: int | None, *, is_set: bool) -> Iterator[Finding]:
    """Yield what is wrong with a secret of so many characters; None: a random one, which is long enough."""
    if not is_set:
        yield found("secret_missing", subject)
    elif char_count is not None and char_count < SECRET_MIN_CHARS:
        yield found("secret_short", subject, count=char_count)


def judge_answer(endpoint_id: str, status: int | None, error: str | None) -> Finding:
    """Return what an endpoint's answer says; `status` None: none came, and `error` says why."""
    code, words = (_unanswered(error or "")) if status is None else (_answered(status), str(status))
    return found(code, subject_of(endpoint_id), status=status, detail=words, endpoint_id=endpoint_id)


def _answered(status: int) -> str:
    if 200 <= status < 300:
        return "endpoint_ok"
    if status in _OF_STATUS:
        return _OF_STATUS[status]
    if status in _CLOUDFLARE:
        return "webhook_proxy"
    if status in _REFUSED_BODY:
        return "webhook_refused_body"
    if 300 <= status < 400:
        return "webhook_redirected"
    return "webhook_failing" if 500 <= status < 600 else "webhook_odd"


def _unanswered(error: str) -> tuple[str, str]:
    if error == "timeout":
        return "webhook_slow", error
    if NOT_PUBLIC in error or NONE_PUBLIC in error:
        return "webhook_private", error
    return "webhook_unreachable", error
