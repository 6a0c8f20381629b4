"""What OpenWA's own nodes for n8n (`@rmyndharis/n8n-nodes-openwa` 0.9.3) ask, as their source has it, made here.

They send `Content-Type: application/json` with every request, also without a body, and the key as `X-API-Key`.
"""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually

SESSION = "user_1_session_a"
BELOW = f"/api/sessions/{SESSION}"
CHAT = "628123456789@c.us"


@dataclass(frozen=True, slots=True)
class Gateway:
    """The daemon, asked as n8n asks."""

    daemon: Daemon
    key: str

    def ask(self, where: str, body: Json = None, key: str | None = None) -> tuple[int, Json]:
        """Return the status and the JSON of the answer to `METHOD /path`."""
        method, _, path = where.partition(" ")
        headers = {"Content-Type": "application/json", "Accept": "application/json", "X-API-Key": key or self.key}
        with closing(http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=60)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            raw = answer.read()
        return answer.status, json.loads(raw) if raw else None


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    settings = {"MESSAGE_GAP_MIN_S": "0", "MESSAGE_GAP_MAX_S": "0", "ALLOW_PRIVATE_ENDPOINTS": "true"}
    engine_env = {**SCANNED, "SIMULATE_TYPING": "false"}
    home = tmp_path_factory.mktemp("nodes") / "home"
    with Daemon(home=home, settings=settings, engine_env=engine_env) as daemon:
        daemon.create(SESSION, wait_for="connected")
        about: dict[str, Json] = {"name": "n8n", "role": "operator", "qr": True, "chats": True}
        yield Gateway(daemon, daemon.ask("POST", "/v1/keys", about).text("key"))


def test_the_credential_is_tested_by_the_list_of_sessions(gateway: Gateway) -> None:
    good, sessions = gateway.ask("GET /api/sessions")
    bad, _ = gateway.ask("GET /api/sessions", key="owm_nobody")

    assert (good, bad) == (200, 401)
    assert isinstance(sessions, list)
    assert [(each["id"], each["name"]) for each in sessions if isinstance(each, dict)] == [(SESSION, SESSION)]


@pytest.mark.parametrize(
    "where",
    [
        "GET /api/sessions?limit=1000",
        f"GET {BELOW}/contacts?limit=1000",
        f"GET {BELOW}/webhooks",
        "GET /api/webhooks",
        f"GET {BELOW}",
        "GET /api/sessions/stats/overview",
        "GET /api/health",
        "GET /api/health/live",
        "GET /api/health/ready",
        f"GET /api/search?q=Hello&sessionId={SESSION}",
        f"GET {BELOW}/messages",
        f"GET {BELOW}/contacts/check/628123456789",
        "POST /api/auth/validate",
    ],
)
def test_what_fills_its_lists_and_looks_is_answered(gateway: Gateway, where: str) -> None:
    assert gateway.ask(where)[0] == 200


def test_the_trigger_makes_finds_and_removes_its_webhook_also_while_the_session_is_stopped(gateway: Gateway) -> None:
    hook = {"url": "http://127.0.0.1:9/webhook/1", "events": ["message.received"], "secret": "0123456789abcdef"}

    made, webhook = gateway.ask(f"POST {BELOW}/webhooks", hook)
    assert isinstance(webhook, dict)
    found, _ = gateway.ask(f"GET {BELOW}/webhooks/{webhook['id']}")
    changed, _ = gateway.ask(f"PUT {BELOW}/webhooks/{webhook['id']}", {"events": ["message.received", "message.ack"]})
    gateway.ask(f"POST {BELOW}/stop")
    removed, nothing = gateway.ask(f"DELETE {BELOW}/webhooks/{webhook['id']}")
    again, _ = gateway.ask(f"DELETE {BELOW}/webhooks/{webhook['id']}")
    started, _ = gateway.ask(f"POST {BELOW}/start")
    eventually(lambda: gateway.ask(f"GET {BELOW}")[1]["status"] == "ready")  # type: ignore[call-overload, index]

    assert (made, found, changed, removed, again, started) == (201, 200, 200, 204, 404, 200)
    assert nothing is None


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("send-text", {"chatId": CHAT, "text": "Hello"}),
        ("send-image", {"chatId": CHAT, "caption": "Look", "base64": "iVBORw0KGgo=", "mimetype": "image/png"}),
        ("send-document", {"chatId": CHAT, "filename": "a.pdf", "base64": "JVBERi0=", "mimetype": "application/pdf"}),
        ("send-location", {"chatId": CHAT, "latitude": 22.3, "longitude": 114.2, "description": "here"}),
        ("send-audio", {"chatId": CHAT, "base64": "T2dnUw==", "mimetype": "audio/ogg", "ptt": True}),
    ],
)
def test_its_sends_are_sent(gateway: Gateway, call: str, body: dict[str, Json]) -> None:
    status, answer = gateway.ask(f"POST {BELOW}/messages/{call}", body)

    assert status == 201, answer
    assert isinstance(answer, dict)
    assert isinstance(answer["messageId"], str)


def test_its_bulk_send_is_a_batch_that_it_can_follow(gateway: Gateway) -> None:
    messages: Json = [{"chatId": CHAT, "type": "text", "content": {"text": "Hello"}}]
    accepted, batch = gateway.ask(
        f"POST {BELOW}/messages/send-bulk", {"messages": messages, "batchId": "spring", "options": {}}
    )
    status, shown = gateway.ask(f"GET {BELOW}/messages/batch/spring")

    assert (accepted, status) == (202, 200), batch
    assert isinstance(shown, dict)
    assert shown["batchId"] == "spring"


@pytest.mark.parametrize(
    "where",
    [
        "GET /api/auth/api-keys",
        "GET /api/settings",
        "GET /api/stats/overview",
        "GET /api/audit",
        "GET /api/webhooks/delivery-failures",
    ],
)
def test_what_concerns_a_whole_openwa_says_so(gateway: Gateway, where: str) -> None:
    assert gateway.ask(where)[0] == 501
