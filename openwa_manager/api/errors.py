"""Answers every error as application/problem+json with a stable code (RFC 9457)."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from openwa_manager.api.admission.shown import shown_path
from openwa_manager.api.request_keys import REQUEST_ID
from openwa_manager.domain.errors import (
    FirstContactCapError,
    InvalidInputError,
    OpenwaManagerError,
    QueueFullError,
    QuotaExceededError,
    RateLimitedError,
)
from openwa_manager.domain.times import iso8601

_log = structlog.get_logger()

PROBLEM_TYPE = "application/problem+json"


class Meaning(NamedTuple):
    """What a code stands for: its HTTP status, and words for callers."""

    status: int
    says: str


#: Every code; an error with another one is a fault of ours and tells nothing.
MEANINGS: Mapping[str, Meaning] = {
    "bad_request": Meaning(400, "The request cannot be read: it is not in the format it is said to be in."),
    "unauthenticated": Meaning(401, "No valid key was given; whether there was none or a wrong one is never said."),
    "forbidden": Meaning(403, "The key's role or rights do not suffice; `detail` names what is needed."),
    "not_found": Meaning(404, "There is no such thing, or the key may not know of it."),
    "method_not_allowed": Meaning(405, "This path has no such method; the header `Allow` names those it has."),
    "timeout": Meaning(408, "The body did not come in time, or the answer was not read."),
    "illegal_transition": Meaning(
        409, "The state of the session, message or batch does not allow it. Nothing happened."
    ),
    "session_exists": Meaning(409, "A session with this id differs from the one asked for."),
    "session_owned_elsewhere": Meaning(409, "Another process runs an engine in the session's directory."),
    "conflict": Meaning(409, "It does not go together with what there is. Nothing happened."),
    "body_gone": Meaning(409, "The text of the message is not kept any more, so it cannot be sent again."),
    "count_changed": Meaning(409, "More or fewer messages wait than `confirm` says. Nothing happened."),
    "last_admin": Meaning(409, "Nobody could give out keys any more. Nothing happened."),
    "public_url_missing": Meaning(409, "Pairing links need the setting `public_url`."),
    "gone": Meaning(410, "It was there once, and is gone."),
    "too_large": Meaning(413, "The body is larger than this call takes."),
    "unsupported_media_type": Meaning(415, "The body must be JSON, uncompressed, and be said to be JSON."),
    "expectation_failed": Meaning(417, "The header `Expect` asks for something other than `100-continue`."),
    "misdirected": Meaning(421, "The request is for another host: add its name to `allowed_hosts`."),
    "invalid": Meaning(422, "A value is not acceptable; `field` names it."),
    "invalid_recipient": Meaning(422, "Nobody can be written to under this name."),
    "idempotency_mismatch": Meaning(422, "Another body was given with this `Idempotency-Key` or `reference` before."),
    "opted_out": Meaning(422, "The recipient wants no messages of this user."),
    "never_sendable": Meaning(422, "There is no moment at which it could be sent; `detail` says why."),
    "queue_full": Meaning(429, "Too many messages wait on this session."),
    "quota_exceeded": Meaning(429, "The user may send no more this month; `resets_at` is when the next one begins."),
    "rate_limited": Meaning(429, "The caller asks too often."),
    "first_contact_cap": Meaning(429, "The session may write to nobody new today."),
    "head_too_large": Meaning(431, "The request's head is too long to be read."),
    "engine_error": Meaning(502, "The engine answered, but not with what was asked of it."),
    "backlog_full": Meaning(503, "Too many events are undelivered; post it again later."),
    "draining": Meaning(503, "The daemon is ending, and takes no new work."),
    "not_ready": Meaning(503, "The daemon has not taken up all sessions yet."),
    "engine_timeout": Meaning(504, "The engine did not answer in time; what it did is not known."),
    "unfinished": Meaning(504, "The request took too long; whether it was done is not known."),
    "storage_full": Meaning(507, "The disk is full. Reading and stopping still work."),
}
STATUS_OF: Mapping[str, int] = {code: meaning.status for code, meaning in MEANINGS.items()}
CODE_OF: Mapping[int, str] = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
RETRY_AFTER_S: Mapping[str, int] = {"backlog_full": 5, "draining": 5, "not_ready": 1}

_DETAIL_MAX = 1000


class BadRequestError(OpenwaManagerError):
    """The request cannot be read: it is not in the format it is said to be in."""

    code = "bad_request"


class UnauthenticatedError(OpenwaManagerError):
    """No valid key was given; whether there was none or a wrong one is never said."""

    code = "unauthenticated"


class ForbiddenError(OpenwaManagerError):
    """The caller's role does not suffice; the message names the one needed."""

    code = "forbidden"


class GoneError(OpenwaManagerError):
    """What was addressed existed once and is gone."""

    code = "gone"


class UnsupportedMediaTypeError(OpenwaManagerError):
    """The body is of a kind we do not read."""

    code = "unsupported_media_type"


class TooLargeError(OpenwaManagerError):
    """The body is larger than we take."""

    code = "too_large"


class ExpectationError(OpenwaManagerError):
    """The caller expects of us what we do not do."""

    code = "expectation_failed"


class MisdirectedError(OpenwaManagerError):
    """The request was meant for another host."""

    code = "misdirected"


class SlowRequestError(OpenwaManagerError):
    """The body did not come in time."""

    code = "timeout"


class UnfinishedError(OpenwaManagerError):
    """A request took too long; whether what it asked for was done nobody can tell."""

    code = "unfinished"


class SlowReaderError(OpenwaManagerError):
    """The caller does not read what is sent to it."""

    code = "timeout"


class NotReadyError(OpenwaManagerError):
    """The daemon has not taken up all sessions of the one before it yet."""

    code = "not_ready"


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what a handler raises as a problem."""
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001 (the one place where a bug becomes an answer)
        return answer_as_problem(request, error)


def answer_as_problem(request: web.Request, error: Exception) -> web.Response:
    """Return the answer to what was raised, as a problem.

    Raises:
        ConnectionError: the caller has hung up; there is nobody to answer.
    """
    match error:
        case OpenwaManagerError() if error.code in STATUS_OF:
            return _problem(request, error)
        case web.HTTPException():
            return _problem_of_library(request, error)
        case web.RequestPayloadError():
            return _problem(request, BadRequestError("the body is broken"))
        case ConnectionError():
            raise error
        case _:
            return _fault(request, error)


def _fault(request: web.Request, error: Exception) -> web.Response:
    _log.error("request_failed", request_id=request[REQUEST_ID], path=shown_path(request), exc_info=error)
    detail = "this is a fault of ours; the log has more under the request id"
    return _response(request, "internal_error", detail)


def _problem(request: web.Request, error: OpenwaManagerError) -> web.Response:
    return _response(request, error.code, str(error), _members(error))


def _members(error: OpenwaManagerError) -> Mapping[str, str | int]:
    """Return what a problem says beside the common members."""
    match error:
        case InvalidInputError(field=field):
            return {"field": field}
        case QuotaExceededError(retry_after_s=retry_after_s, resets_at=resets_at):
            return {"retry_after_s": retry_after_s, "resets_at": iso8601(resets_at)}
        case QueueFullError() | FirstContactCapError() | RateLimitedError():
            return {"retry_after_s": error.retry_after_s}
        case _:
            return {"retry_after_s": RETRY_AFTER_S[error.code]} if error.code in RETRY_AFTER_S else {}


def _problem_of_library(request: web.Request, error: web.HTTPException) -> web.Response:
    code = CODE_OF.get(error.status, "bad_request")
    response = _response(request, code, f"{request.method} {request.path}: {error.reason}")
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _response(
    request: web.Request, code: str, detail: str, members: Mapping[str, str | int] | None = None
) -> web.Response:
    status = STATUS_OF.get(code, 500)
    problem: dict[str, str | int] = {
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail[:_DETAIL_MAX],
        "request_id": request[REQUEST_ID],
        **(members or {}),
    }
    headers: dict[str, str] = {}
    if "retry_after_s" in problem:
        headers["Retry-After"] = str(problem["retry_after_s"])
    if code == "unauthenticated":
        headers["WWW-Authenticate"] = "Bearer"
    body = json.dumps(problem).encode()
    return web.Response(status=status, body=body, content_type=PROBLEM_TYPE, headers=headers)
