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
