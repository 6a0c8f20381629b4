"""Answers every error as application/problem+json with a stable code (RFC 9457)."""

import json
from collections.abc import Mapping
from http import HTTPStatus

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

#: code -> HTTP status; an error with another code is a fault of ours and tells nothing.
STATUS_OF: Mapping[str, int] = {
    "bad_request": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "timeout": 408,
    "illegal_transition": 409,
    "session_exists": 409,
    "session_owned_elsewhere": 409,
    "conflict": 409,
    "body_gone": 409,
    "count_changed": 409,
    "last_admin": 409,
    "public_url_missing": 409,
    "gone": 410,
    "too_large": 413,
    "unsupported_media_type": 415,
    "expectation_failed": 417,
    "misdirected": 421,
    "invalid": 422,
    "invalid_recipient": 422,
    "idempotency_mismatch": 422,
    "opted_out": 422,
    "never_sendable": 422,
    "head_too_large": 431,
    "queue_full": 429,
    "quota_exceeded": 429,
    "rate_limited": 429,
    "first_contact_cap": 429,
    "engine_error": 502,
    "backlog_full": 503,
    "draining": 503,
    "not_ready": 503,
    "engine_timeout": 504,
    "unfinished": 504,
    "storage_full": 507,
}
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
    """Answer what later middleware or a handler raises as a problem."""
    try:
        return await handler(request)
    except OpenwaManagerError as error:
        if error.code in STATUS_OF:
            return _problem(request, error)
        return _fault(request, error)
    except web.HTTPException as error:
        return _problem_of_library(request, error)
    except web.RequestPayloadError:
        return _problem(request, BadRequestError("the body is broken"))
    except ConnectionError:  # the caller has hung up; there is nobody to answer
        raise
    except Exception as error:  # noqa: BLE001 (the one place where a bug becomes an answer)
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
