"""The remote backend: takes signed posts, checks both signatures, and can be away for a while."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.receiver import Receiver

SECRET = "a-secret-of-the-remote-backend"


class Upstream(Receiver):
    """A backend on loopback; leaving it takes it down, entering it again brings it back on the same port."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.received: list[dict[str, Json]] = []
        self.status = 200

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

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Keep what is signed as it should be."""
        del path
        if self.status == 200:
            assert is_signed(headers, body)
            self.received.append(json.loads(body))
        return self.status


def is_signed(headers: Mapping[str, str], body: bytes) -> bool:
    """Tell whether both signatures fit, computed here from scratch; the names of the headers are in lower case."""
    plain = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    standard = base64.b64encode(hmac.new(SECRET.encode(), content, hashlib.sha256).digest()).decode()
    return headers["x-openwa-signature"] == f"sha256={plain}" and f"v1,{standard}" in headers["webhook-signature"]
