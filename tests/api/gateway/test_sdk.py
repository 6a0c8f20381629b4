"""OpenWA's own SDK against the daemon, on a simulator and, where OPENWA_HOME names one, on a real OpenWA."""

import base64
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from openwa import OpenWAClient
from openwa.errors import (
    OpenWAApiError,
    OpenWAAuthError,
    OpenWAConflictError,
    OpenWANotFoundError,
    OpenWANotImplementedError,
    OpenWARateLimitError,
)
from openwa.types import BatchStatusResponse, BulkMessageItem, QrCodeResponse

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.png import is_whole_png
from tests.e2e.peers.daemon import Daemon, eventually
from tests.e2e.peers.phones import CONTROL_PORTS, Phones
from tests.engines.rig import ON_REAL_OPENWA, QUICK, SLOW_S, real_env

NAME = "user_1_session_550e8400-e29b-41d4-a716-446655440000"
#: A PNG of one pixel.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
NO_GAP = {"MESSAGE_GAP_MIN_S": "0", "MESSAGE_GAP_MAX_S": "0"}


@dataclass
class Station:
    """A daemon, the SDK speaking to it, and the phones."""

    daemon: Daemon
    client: OpenWAClient
    is_real: bool

    def play(self, verb: str) -> None:
        """Play the phone of the session."""
        Phones("openwa" if self.is_real else "simulator").steer(self.daemon, NAME, verb)

    def status(self) -> str:
        """Return the session's status."""
        return self.client.sessions.get(NAME)["status"]

    def code(self) -> QrCodeResponse | None:
        """Return the code being shown; None while there is none."""
        try:
            return self.client.sessions.get_qr_code(NAME)
        except OpenWAApiError as error:
            if error.status != 400:
                raise
            return None


def real_settings() -> dict[str, str]:
    """Return what a daemon needs to run the real OpenWA with the fake WhatsApp in it."""
    return {
        "OPENWA_HOME": os.environ["OPENWA_HOME"],
        "NODE": os.environ.get("NODE", "node"),
        "ENGINE_READ_PATHS": json.dumps([os.environ["OPENWA_MOCK"]]),
        "ENGINE_BIND_PORTS": json.dumps([CONTROL_PORTS]),
    }


@pytest.fixture(params=["simulator", pytest.param("openwa", marks=ON_REAL_OPENWA)])
def station(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Station]:
    is_real = request.param == "openwa"
    real = real_settings() if is_real else {}
    engine_env = {**QUICK, **(real_env() if is_real else {})}
    with Daemon(
        home=tmp_path / "home",
        engine=request.param,
        settings={**NO_GAP, "ALLOW_PRIVATE_ENDPOINTS": "true", **real},
        engine_env=engine_env,
        ready_within_s=SLOW_S,
    ) as daemon:
        key = (daemon.home / "admin.key").read_text().strip()
        with OpenWAClient(base_url=f"http://127.0.0.1:{daemon.port}", api_key=key) as client:
            yield Station(daemon, client, is_real)


@dataclass
class Hook:
    """The owner's own webhook."""

    port: int = 0
    posts: list[dict[str, Json]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}/hooks/mine"


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield hook
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_openwas_own_sdk_lives_a_sessions_whole_life(station: Station, hook: Hook) -> None:
    client = station.client

    created = client.sessions.create({"name": NAME})
    started = client.sessions.start(NAME)
    code = eventually(station.code, within_s=SLOW_S)
    station.play("scan")
    eventually(lambda: station.status() == "ready", within_s=SLOW_S)
    ready = client.sessions.get(NAME)
    made = client.webhooks.create(NAME, {"url": hook.url, "events": ["*"]})
    tested = client.webhooks.test(NAME, made["id"])
    text = client.messages.send_text(NAME, {"chatId": "628123456789@c.us", "text": "Hello"})
    image = client.messages.send_image(NAME, {"chatId": "628123456789@c.us", "base64": PIXEL, "mimetype": "image/png"})
    told = eventually(lambda: [post for post in hook.posts if post["event"] == "message.ack"])
    listed, stats, hooks = client.sessions.list(), client.sessions.stats(), client.webhooks.list(NAME)
    check = client.contacts.check(NAME, "628123456789")
    client.webhooks.delete(NAME, made["id"])
    stopped = client.sessions.stop(NAME)
    client.sessions.start(NAME)
    eventually(lambda: station.status() == "ready", within_s=SLOW_S)
    logged_out = client.sessions.logout(NAME)
    client.sessions.delete(NAME)

    assert (created["id"], created["name"], created["status"]) == (NAME, NAME, "created")
    assert (started["status"], started["engineLoaded"]) == ("initializing", True)
    assert code["status"] == "qr_ready"
    assert is_whole_png(base64.b64decode(code["qrCode"].removeprefix("data:image/png;base64,")))
    assert ready["phone"]
    assert tested == {"success": True, "statusCode": 200}
    assert text["messageId"] != image["messageId"]
    assert {post["sessionId"] for post in told} == {NAME}
    assert [session["id"] for session in listed] == [NAME]
    assert (stats["total"], stats["active"], stats["ready"], stats["byStatus"]) == (1, 1, 1, {"ready": 1})
    assert [each["id"] for each in hooks] == [made["id"]]
    assert check["exists"] is True
    assert (stopped["status"], stopped["phone"], stopped["engineLoaded"]) == ("disconnected", ready["phone"], False)
    assert (logged_out["status"], logged_out["phone"], logged_out["engineLoaded"]) == ("disconnected", None, False)
    assert client.sessions.list() == []
    assert station.daemon.registry() == {}


def test_what_the_sdk_asks_of_a_whole_openwa_is_answered(station: Station) -> None:
    client = station.client
    client.sessions.create({"name": NAME})

    assert client.auth()["valid"] is True
    assert client.health.check()["status"] == "ok"
    assert client.webhooks.list_all() == client.webhooks.list(NAME) == []


def test_errors_reach_the_sdk_as_its_own_exceptions(station: Station) -> None:
    client = station.client
    client.sessions.create({"name": NAME})

    with pytest.raises(OpenWAConflictError, match="already exists"):
        client.sessions.create({"name": NAME})
    with pytest.raises(OpenWANotFoundError, match="not found"):
        client.sessions.get("nobody")
    with pytest.raises(OpenWAApiError, match="is not active") as inactive:
        client.messages.send_text(NAME, {"chatId": "628123456789@c.us", "text": "x"})
    with pytest.raises(OpenWANotImplementedError):
        client.webhooks.delivery_failures()
    with (
        OpenWAClient(base_url=f"http://127.0.0.1:{station.daemon.port}", api_key="wrong") as stranger,
        pytest.raises(OpenWAAuthError, match="Invalid API key"),
    ):
        stranger.sessions.list()
    client.sessions.start(NAME)
    with pytest.raises(OpenWAConflictError, match="not connected"):
        client.messages.send_text(NAME, {"chatId": "628123456789@c.us", "text": "x"})
    with pytest.raises(OpenWAApiError, match="should not exist") as invalid:
        client.sessions.create({"name": "other", "foo": 1})  # type: ignore[typeddict-unknown-key]

    assert (inactive.value.status, invalid.value.status) == (400, 400)


def test_a_send_that_comes_too_soon_tells_the_sdk_when_to_come_again(tmp_path: Path) -> None:
    settings = {"MESSAGE_GAP_MIN_S": "40", "MESSAGE_GAP_MAX_S": "40"}
    with Daemon(home=tmp_path / "home", settings=settings, engine_env={**QUICK, "SIM_AUTO_SCAN_S": "0.1"}) as daemon:
        daemon.create(NAME)
        daemon.until(NAME, "connected")
        key = (daemon.home / "admin.key").read_text().strip()
        with OpenWAClient(base_url=f"http://127.0.0.1:{daemon.port}", api_key=key) as client:
            client.messages.send_text(NAME, {"chatId": "628123456789@c.us", "text": "x"})

            with pytest.raises(OpenWARateLimitError) as limited:
                client.messages.send_text(NAME, {"chatId": "628123456789@c.us", "text": "x"})

    assert limited.value.code == "SEND_QUEUE_FULL"
    assert limited.value.retry_after_seconds == 40


def test_the_sdks_bulk_send_is_a_batch_that_it_can_follow(tmp_path: Path) -> None:
    with Daemon(home=tmp_path / "home", settings=NO_GAP, engine_env={**QUICK, "SIM_AUTO_SCAN_S": "0.1"}) as daemon:
        daemon.create(NAME)
        daemon.until(NAME, "connected")
        key = (daemon.home / "admin.key").read_text().strip()
        with OpenWAClient(base_url=f"http://127.0.0.1:{daemon.port}", api_key=key) as client:
            text: BulkMessageItem = {"chatId": "628123456789@c.us", "type": "text", "content": {"text": "x"}}
            image: BulkMessageItem = {
                "chatId": "628123456788@c.us",
                "type": "image",
                "content": {"image": {"base64": PIXEL, "mimetype": "image/png"}, "caption": "Look"},
            }
            accepted = client.messages.send_bulk(NAME, {"messages": [text, image], "batchId": "spring"})

            def shown() -> BatchStatusResponse | None:
                found = client.messages.batch_status(NAME, "spring")
                return found if found["status"] == "completed" else None

            ended = eventually(shown, within_s=SLOW_S)
            with pytest.raises(OpenWAApiError) as refused:
                client.messages.cancel_batch(NAME, "spring")

    assert (accepted["batchId"], accepted["totalMessages"]) == ("spring", 2)
    assert ended["progress"] == {"total": 2, "sent": 2, "failed": 0, "pending": 0, "cancelled": 0}
    assert [each["status"] for each in ended["results"]] == ["sent", "sent"]
    assert refused.value.status == 400
