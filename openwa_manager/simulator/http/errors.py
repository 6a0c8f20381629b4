"""Refusals, in the words OpenWA uses for them."""

from openwa_manager.simulator.http.wire import REASONS, Json, Response


class HttpError(Exception):
    """A request is answered with an error; `body` is what the client gets."""

    def __init__(self, status: int, body: dict[str, Json], headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {body.get('message')}")
        self.status = status
        self.body = body
        self.headers = headers or {}

    def as_response(self) -> Response:
        """Return the answer that says so."""
        return Response(status=self.status, body=self.body, headers=self.headers)

    @property
    def proves_nothing_was_sent(self) -> bool:
        """Tell whether this, as the answer to a send, proves that nothing was sent (docs/openwa.md, Sending)."""
        return self.status < 500 or self.status == 501 or "Retry-After" in self.headers


class UnsentError(HttpError):
    """An error of which the engine itself knows that nothing was sent, though its caller cannot see it."""


class NoAnswerError(Exception):
    """The connection ends before the answer, `body`, is written."""

    def __init__(self, body: dict[str, Json]) -> None:
        super().__init__("the answer is lost")
        self.body = body


def refusal(status: int, message: Json) -> HttpError:
    """Return the error Nest makes of an HttpException with this message."""
    return HttpError(status, {"message": message, "error": REASONS[status], "statusCode": status})


def internal_error() -> HttpError:
    """Return the error Nest makes of anything that is not an HttpException: without detail."""
    return HttpError(500, {"statusCode": 500, "message": "Internal server error"})


def not_started() -> HttpError:
    """Return the refusal for a session without an engine."""
    return refusal(400, "Session is not started. Call POST /sessions/:sessionId/start first.")


def session_not_found(session_id: str) -> HttpError:
    """Return the refusal for an id nobody has."""
    return refusal(404, f"Session with id '{session_id}' not found")


def not_connected() -> HttpError:
    """Return the refusal of an engine that is up but has no WhatsApp."""
    return refusal(409, "Session is not connected. The WhatsApp client is not ready.")


def throttled(window: str, left_s: int, *, is_plain: bool) -> HttpError:
    """Return the throttler's refusal for `left_s` seconds; `is_plain`: with the usual header beside its own."""
    plain = {"Retry-After": str(left_s)} if is_plain else {}
    body: dict[str, Json] = {"statusCode": 429, "message": "ThrottlerException: Too Many Requests"}
    return HttpError(429, body, plain | {f"Retry-After-{window}": str(left_s)})


def paced(left_s: int) -> HttpError:
    """Return the refusal of OpenWA's own pacing for `left_s` seconds."""
    body: dict[str, Json] = {
        "statusCode": 429,
        "error": "Too Many Requests",
        "message": "Daily allowance of 2 new conversation(s) reached for a session 0 day(s) old",
        "code": "SEND_PACING_LIMITED",
        "retryAfterSeconds": left_s,
    }
    return HttpError(429, body)


def unavailable(message: str, *, retry_after_s: int | None = None) -> HttpError:
    """Return a 503: with `Retry-After` the request was not looked at, without it nobody knows."""
    error = refusal(503, message)
    return HttpError(503, error.body, {} if retry_after_s is None else {"Retry-After": str(retry_after_s)})
