"""The remote backend: takes signed posts, checks both signatures, and can be away for a while."""

import base64
import hashlib
import hmac
import json
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from openwa_manager.domain.events import Json

SECRET = "a-secret-of-the-remote-backend"


class _Server(ThreadingHTTPServer):
    """A server that makes no noise about daemons that were killed in the middle of a post."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # handed on as it came


@dataclass
class Upstream:
    """A backend on loopback; leaving it takes it down, entering it again brings it back on the same port."""

    port: int
    received: list[dict[str, Json]] = field(default_factory=list)
    status: int = 200
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Return where events are to be sent."""
        return f"http://127.0.0.1:{self.port}/webhooks/openwa"

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings that make this backend the daemon's default endpoint."""
        return {"UPSTREAM_URL": self.url, "UPSTREAM_SECRET": SECRET}

    def of(self, session_id: str, event_type: str | None = None) -> list[dict[str, Json]]:
        """Return what arrived for a session, each event once, in the order of its first arrival."""
        once = {str(event["id"]): event for event in reversed(self.received)}
        events = sorted(once.values(), key=self.received.index)
        return [event for event in events if event["session_id"] == session_id and event_type in (None, event["type"])]

    def __enter__(self) -> Self:
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if upstream.status == 200:
                    assert is_signed(dict(self.headers), body)
                    upstream.received.append(json.loads(body))
                self.send_response(upstream.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
                del format, args

        self._server = _Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()


def is_signed(headers: dict[str, str], body: bytes) -> bool:
    """Tell whether both signatures fit, computed here from scratch."""
    lower = {name.lower(): value for name, value in headers.items()}
    plain = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    content = f"{lower['webhook-id']}.{lower['webhook-timestamp']}.".encode() + body
    standard = base64.b64encode(hmac.new(SECRET.encode(), content, hashlib.sha256).digest()).decode()
    return lower["x-openwa-signature"] == f"sha256={plain}" and f"v1,{standard}" in lower["webhook-signature"]
