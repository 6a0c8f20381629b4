"""Errors below `/api`, as OpenWA words them: `{"message", "error", "statusCode"}` (docs/openwa.md, Keys and errors)."""

import json
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from aiohttp import web
from pydantic import ValidationError

from openwa_manager.api.admission.shown import shown_path
from openwa_manager.api.errors import RETRY_AFTER_S, STATUS_OF, UnauthenticatedError
from openwa_manager.api.request_keys import REQUEST_ID
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import (
    FirstContactCapError,
    IdempotencyMismatchError,
    InvalidInputError,
    KeyInProgressError,
    KeyOutcomeUnknownError,
    OpenwaManagerError,
    OptedOutError,
    QueueFullError,
    QuotaExceededError,
    RateLimitedError,
)
from openwa_manager.domain.session.session import Session

_log = structlog.get_logger()

PREFIX = "/api/"
_NOT_STARTED = "Session is not started. Call POST /sessions/:sessionId/start first."
_NOT_CONNECTED = "Session is not connected. The WhatsApp client is not ready."
#: How the gateway words refusals of ours: the codes of keys are OpenWA's own.
WORDS: Mapping[type[OpenwaManagerError], tuple[int, str]] = {
    QueueFullError: (429, "SEND_QUEUE_FULL"),
    QuotaExceededError: (429, "QUOTA_EXCEEDED"),
    FirstContactCapError: (429, "FIRST_CONTACT_CAP"),
    OptedOutError: (400, "RECIPIENT_OPTED_OUT"),
    IdempotencyMismatchError: (422, "IDEMPOTENCY_KEY_MISMATCH"),
    KeyInProgressError: (409, "IDEMPOTENCY_KEY_IN_PROGRESS"),
    KeyOutcomeUnknownError: (409, "IDEMPOTENCY_OUTCOME_UNKNOWN"),
}
#: Statuses for which Nest's body has no `error`, with its words.
_WITHOUT_ERROR: Mapping[int, str] = {413: "request entity too large", 500: "Internal server error"}


class GatewayError(OpenwaManagerError):
    """The gateway refuses what was asked, with OpenWA's status and words; `fields` are added to the body."""

    code = "refused"

    def __init__(self, status: int, message: str | list[str], **fields: Json) -> None:
        super().__init__(str(message))
        self.status = status
        self.message = message
        self.fields = fields


def not_started() -> GatewayError:
    """Return the refusal of what only a loaded engine can do."""
    return GatewayError(400, _NOT_STARTED)


def not_connected() -> GatewayError:
    """Return the refusal of what needs an engine that is up."""
    return GatewayError(409, _NOT_CONNECTED)


def not_active(name: str) -> GatewayError:
    """Return the refusal to hand a request on to a session without an engine."""
    return GatewayError(400, f"Session '{name}' is not active. Start the session first.")


def not_found(name: str) -> GatewayError:
    """Return the refusal for an id no session has."""
    return GatewayError(404, f"Session with id '{name}' not found")


def incomplete(session: Session, what: str, code: str) -> GatewayError:
    """Return the refusal to call an ending complete."""
    reason = session.reason.detail if session.reason else "no reason known"
    return GatewayError(502, f"{what} ({reason}). Retry it.", code=code)


def unacceptable(error: ValidationError) -> GatewayError:
    """Return the refusal of a body, in the words of OpenWA's validation."""
    faults = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        if each["type"] == "json_invalid":
            return GatewayError(400, each["msg"])
        name = ".".join(map(str, each["loc"]))
        is_unknown = each["type"] == "extra_forbidden"
        faults.append(f"property {name} should not exist" if is_unknown else f"{name}: {each['msg']}")
    return GatewayError(400, faults)


def json_answer(status: int, body: Json, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an answer as OpenWA encodes it."""
    raw = json.dumps(body, separators=(",", ":")).encode()
    answer = web.Response(status=status, body=raw, headers=headers)
    answer.headers["Content-Type"] = MEDIA_TYPE
    return answer


#: What OpenWA says its JSON is.
MEDIA_TYPE = "application/json; charset=utf-8"


def answer_as_openwa(request: web.Request, error: Exception) -> web.Response:
    """Return the answer to what was raised below the gateway's prefix, in OpenWA's words.

    Raises:
        ConnectionError: the caller has hung up; there is nobody to answer.
    """
    match error:
        case RateLimitedError():
            return _throttled(error)
        case OpenwaManagerError():
            return _expected(request, error)
        case web.HTTPException():
            message = f"Cannot {request.method} {request.path}" if error.status in (404, 405) else error.reason
            return _error(404 if error.status == 405 else error.status, message)
        case ConnectionError():
            raise error
        case _:
            return _fault(request, error)


def _expected(request: web.Request, error: OpenwaManagerError) -> web.Response:
    match error:
        case GatewayError():
            return _error(error.status, error.message, error.fields)
        case UnauthenticatedError():
            has_key = "X-API-Key" in request.headers or "Authorization" in request.headers
            return _error(401, "Invalid API key" if has_key else "API key is required")
        case _ if type(error) in WORDS:
            return _worded(error)
        case InvalidInputError():
            return _error(400, str(error))
        case _ if error.code in STATUS_OF:
            wait = {"Retry-After": str(RETRY_AFTER_S[error.code])} if error.code in RETRY_AFTER_S else None
            return _error(STATUS_OF[error.code], str(error), headers=wait)
        case _:
            return _fault(request, error)


def _throttled(error: RateLimitedError) -> web.Response:
    """Answer as OpenWA's throttler does since 0.23.1, whose body has no `error`."""
    body: dict[str, Json] = {"statusCode": 429, "message": "ThrottlerException: Too Many Requests"}
    return json_answer(429, body, {"Retry-After": str(error.retry_after_s)})


def _worded(error: OpenwaManagerError) -> web.Response:
    status, code = WORDS[type(error)]
    if not isinstance(error, QueueFullError | QuotaExceededError | FirstContactCapError):
        return _error(status, str(error), {"code": code})
    fields: dict[str, Json] = {"code": code, "retryAfterSeconds": error.retry_after_s}
    return _error(status, str(error), fields, {"Retry-After": str(error.retry_after_s)})


def _fault(request: web.Request, error: Exception) -> web.Response:
    _log.error("request_failed", request_id=request[REQUEST_ID], path=shown_path(request), exc_info=error)
    return _error(500, _WITHOUT_ERROR[500])


def _error(
    status: int,
    message: str | list[str],
    fields: Mapping[str, Json] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    if status in _WITHOUT_ERROR:
        body: dict[str, Json] = {"statusCode": status, "message": message}
    else:
        body = {"message": message, "error": HTTPStatus(status).phrase, "statusCode": status}
    return json_answer(status, {**body, **(fields or {})}, headers)
