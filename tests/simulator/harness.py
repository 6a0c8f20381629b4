"""A simulator as a real process, and a webhook receiver as a real server."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from openwa_manager.simulator.http.wire import Json
from tests.fakes.polling import PATIENCE_S
from tests.fakes.ports import free_ports
from tests.run.measured import MEASURED

ROOT = Path(__file__).parents[2]
KEY = "test-key-0123456789abcdef0123456789"
QUICK = {
    "NODE_ENV": "production",
    "ENGINE_TYPE": "baileys",
    "SHUTDOWN_DELAY_MS": "0",
    "SIMULATE_TYPING": "false",
    "SSRF_ALLOWED_HOSTS": "127.0.0.1",
    "WEBHOOK_RETRY_DELAY": "50",
    "SIM_QR_DELAY_S": "0.05",
    "SIM_OPEN_S": "0.05",
    "SIM_RECONNECT_S": "0.05",
    "RATE_LIMIT_SHORT_LIMIT": "100000",
    "RATE_LIMIT_MEDIUM_LIMIT": "100000",
    "RATE_LIMIT_LONG_LIMIT": "100000",
}

Value = TypeVar("Value")


def eventually(ask: Callable[[], Value], *, within_s: float = PATIENCE_S) -> Value:
    """Ask until the answer is truthy and return it; fail when it never is."""
    deadline = time.monotonic() + within_s
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.01)
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one request."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Json:
        """The JSON in the body, None for an empty one."""
        value: Json = json.loads(self.raw) if self.raw else None
        return value

    @property
    def fields(self) -> dict[str, Json]:
        """The body, which must be an object."""
        body = self.body
        assert isinstance(body, dict), body
        return body


@dataclass
class Simulator:
    """One simulator process in its own directory."""

    home: Path
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=lambda: free_ports(1)[0])
    pass_fds: tuple[int, ...] = ()
    process: "subprocess.Popen[bytes] | None" = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, gracefully if only then it leaves its coverage behind."""
        if self.process is not None and MEASURED:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(1.0)
        self.kill()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        """All it wrote so far, over all its launches."""
        return (self.home / "engine.log").read_text("utf-8")

    def launch(self) -> None:
        """Spawn the process and do not wait for anything."""
        environ = {
            **MEASURED,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "API_MASTER_KEY": KEY,
            "PORT": str(self.port),
        }
        with (self.home / "engine.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "openwa_manager.simulator"],
                cwd=self.home,
                env={**environ, **QUICK, **self.env},
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=self.pass_fds,
            )

    def start(self) -> None:
        """Spawn the process and wait until it listens."""
        self.launch()
        eventually(self.is_listening)

    def is_listening(self) -> bool:
        """Tell whether its port takes connections; fail if it died instead."""
        assert self.process is not None
        assert self.process.poll() is None, self.log
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """End the process the hard way, if it still runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def exit_code(self, within_s: float = PATIENCE_S) -> int:
        """Wait for the exit and return its status."""
        assert self.process is not None
        return self.process.wait(within_s)

    def stop(self) -> int:
        """End the process gracefully and return its exit status."""
        self.signal(signal.SIGTERM)
        return self.exit_code()

    def ask(
        self,
        method: str,
        path: str,
        body: "Json | Mapping[str, Json] | Mapping[str, str]" = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
    ) -> Answer:
        """Make one request with the admin key; a string is sent as raw bytes, anything else as JSON."""
        sent = {"X-API-Key": KEY} if headers is None else dict(headers)
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            return Answer(status=response.status, headers=dict(response.getheaders()), raw=response.read())
        finally:
            connection.close()

    def control(self, verb: str) -> Answer:
        """Ask something of the imaginary world."""
        answer = self.ask("POST", f"/_sim/{verb}", headers={})
        assert answer.status == 200, answer
        return answer

    def books(self, query: str = "") -> list[dict[str, Json]]:
        """Return what WhatsApp got."""
        answer = self.ask("GET", f"/_sim/books{query}", headers={})
        assert answer.status == 200, answer
        messages = answer.fields["messages"]
        assert isinstance(messages, list)
        return [entry for entry in messages if isinstance(entry, dict)]

    def create(self, name: str = "acme-01", config: dict[str, Json] | None = None) -> str:
        """Create a session and return its id."""
        answer = self.ask("POST", "/api/sessions", {"name": name} | ({"config": config} if config else {}))
        assert answer.status == 201, answer
        return str(answer.fields["id"])

    def start_session(self, session_id: str) -> None:
        """Start a session."""
        answer = self.ask("POST", f"/api/sessions/{session_id}/start")
        assert answer.status == 200, answer

    def session(self, session_id: str) -> dict[str, Json]:
        """Return a session as the API shows it."""
        return self.ask("GET", f"/api/sessions/{session_id}").fields

    def wait_for(self, session_id: str, status: str, *, within_s: float = PATIENCE_S) -> dict[str, Json]:
        """Wait until a session has this status."""
        eventually(lambda: self.session(session_id)["status"] == status, within_s=within_s)
        return self.session(session_id)

    def link(self, session_id: str) -> None:
        """Start a session and scan its code."""
        self.start_session(session_id)
        self.wait_for(session_id, "qr_ready")
        self.control(f"scan?name={self.session(session_id)['name']}")
        self.wait_for(session_id, "ready")

    def send_text(
        self,
        session_id: str,
        chat_id: str = "628123456789@c.us",
        text: str = "x",
        *,
        key: str | None = None,
        timeout_s: float = 10.0,
    ) -> Answer:
        """Send a text message, with an `Idempotency-Key` if one is given."""
        headers = {"X-API-Key": KEY} | ({"Idempotency-Key": key} if key is not None else {})
        path, body = f"/api/sessions/{session_id}/messages/send-text", {"chatId": chat_id, "text": text}
        return self.ask("POST", path, body, headers=headers, timeout_s=timeout_s)

    def linked(self, name: str = "acme-01", *, hook: str | None = None) -> str:
        """Create and link a session, its events going to a webhook if one is given, and return its id."""
        session_id = self.create(name)
        if hook is not None:
            wanted: dict[str, Json] = {"url": hook, "events": ["*"]}
            assert self.ask("POST", f"/api/sessions/{session_id}/webhooks", wanted).status == 201
        self.link(session_id)
        return session_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One webhook request as it arrived."""

    path: str
    headers: dict[str, str]
    raw: bytes
    at: float

    @property
    def body(self) -> dict[str, Json]:
        """The JSON in the body."""
        body: dict[str, Json] = json.loads(self.raw)
        return body

    @property
    def event(self) -> str:
        """The event's name."""
        return str(self.body["event"])

    @property
    def data(self) -> dict[str, Json]:
        """The event's data."""
        data = self.body["data"]
        assert isinstance(data, dict)
        return data


class Receiver:
    """A webhook receiver; `answers` gives the status of each answer, `delay_s` holds it back."""

    def __init__(self) -> None:
        self.deliveries: list[Delivered] = []
        self.answers: Callable[[int], int] = lambda _: 200
        self.delay_s = 0.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                headers = dict(self.headers.items())
                delivered = Delivered(path=self.path, headers=headers, raw=raw, at=time.monotonic())
                receiver.deliveries.append(delivered)
                time.sleep(receiver.delay_s)
                self.send_response(receiver.answers(len(receiver.deliveries)))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Stay silent."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *args: object) -> None:
                """Stay silent: clients of these tests hang up as they like."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook/acme-01"

    def serve(self) -> None:
        """Serve until closed."""
        self._server.serve_forever(poll_interval=0.02)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def events(self, name: str) -> list[Delivered]:
        """Return the deliveries of one event so far."""
        return [delivery for delivery in tuple(self.deliveries) if delivery.event == name]

    def statuses(self) -> list[Json]:
        """Return the session statuses told so far."""
        return [delivery.data["status"] for delivery in self.events("session.status")]


@contextmanager
def serving() -> Iterator[Receiver]:
    """Run a receiver in its own thread."""
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.close()
        thread.join(10)
