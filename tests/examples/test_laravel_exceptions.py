"""Which answers of the manager the Laravel example takes for passing ones and which for lasting ones."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.examples.laravel_site import HAS_LARAVEL, build_app
from tests.fakes.ports import free_ports

pytestmark = pytest.mark.skipif(not HAS_LARAVEL, reason="needs the packages that test_laravel.py names")

TRANSIENT, PERMANENT = "OpenWaTransientException", "OpenWaPermanentException"
BASE = "OpenWaException"
LIMITED, SERVER, NOT_READY = [(TRANSIENT, f"{name}Exception") for name in ("RateLimited", "Server", "NotReady")]
SILENT, UNSURE = (TRANSIENT, "NoAnswerException"), (PERMANENT, "OutcomeUnknownException")
QUOTA, BAD, UNKNOWN_KEY, FORBIDDEN, MISSING, CONFLICT, INVALID = [
    (PERMANENT, f"{name}Exception")
    for name in ("QuotaExceeded", "BadRequest", "Unauthenticated", "Forbidden", "NotFound", "Conflict", "Invalid")
]
OTHER = (BASE, PERMANENT)
#: Status, code and wait of an answer below /v1, which may be asked for again, and what comes of it.
REPEATABLE = [
    (429, "queue_full", 7, LIMITED),
    (429, "rate_limited", 1, LIMITED),
    (429, "quota_exceeded", 9, QUOTA),
    (429, "first_contact_cap", 9, QUOTA),
    (408, "timeout", None, SERVER),
    (500, "internal_error", None, SERVER),
    (502, "engine_error", None, SERVER),
    (503, "draining", 5, SERVER),
    (504, "engine_timeout", None, SERVER),
    (507, "storage_full", None, SERVER),
    (530, None, None, SERVER),
    (400, "bad_request", None, BAD),
    (401, "unauthenticated", None, UNKNOWN_KEY),
    (403, "forbidden", None, FORBIDDEN),
    (404, "not_found", None, MISSING),
    (409, "illegal_transition", None, CONFLICT),
    (413, "too_large", None, OTHER),
    (422, "invalid_recipient", None, INVALID),
    (422, "idempotency_mismatch", None, INVALID),
    (422, "opted_out", None, INVALID),
]
#: The same of an answer below /api, where a call that may have been carried out must not be made again.
ONCE = [
    (409, None, None, NOT_READY, None),
    (429, "SEND_PACING_LIMITED", 60, LIMITED, "SEND_PACING_LIMITED"),
    (429, "QUOTA_EXCEEDED", 60, QUOTA, "QUOTA_EXCEEDED"),
    (503, None, 2, SERVER, None),
    (503, None, None, UNSURE, "outcome_unknown"),
    (500, None, None, UNSURE, "outcome_unknown"),
    (504, None, None, UNSURE, "outcome_unknown"),
    (400, "RECIPIENT_OPTED_OUT", None, BAD, "RECIPIENT_OPTED_OUT"),
    (409, "IDEMPOTENCY_KEY_IN_PROGRESS", None, NOT_READY, "IDEMPOTENCY_KEY_IN_PROGRESS"),
    (409, "IDEMPOTENCY_OUTCOME_UNKNOWN", None, CONFLICT, "IDEMPOTENCY_OUTCOME_UNKNOWN"),
]


class Refusing(BaseHTTPRequestHandler):
    """Answers each call as the session in its path says: `status.code.wait`; 0 is half an answer."""

    def do_POST(self) -> None:
        """Refuse."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, code, wait_s = self.path.split("/sessions/")[1].split("/")[0].split(".")
        if status == "0":
            self.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{")  # and the line breaks
            return
        self.send_response(int(status))
        self.send_header("Content-Type", "application/json")
        if wait_s:
            self.send_header("Retry-After", wait_s)
        self.end_headers()
        self.wfile.write(json.dumps({"detail": "No.", **({"code": code} if code else {})}).encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def refusing() -> Iterator[str]:
    """Refuse everything until left; return the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def ask(folder: Path, url: str, *calls: tuple[str, list[Json]]) -> list[list[Json]]:
    """Make calls of the example's service and return class, code and wait of what was thrown."""
    (folder / ".env").write_text(f"OPENWA_BASE_URL={url}\nOPENWA_API_KEY=owm_a_key\n")
    argv = ["php", "ask.php", *(json.dumps(call) for call in calls)]
    run = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=50, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_each_answer_is_taken_for_what_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    build_app(folder)
    queued: list[tuple[str, list[Json]]] = [
        ("queueText", [f"{status}.{code or ''}.{wait_s or ''}", "+85260001000", "Hello", "a name"])
        for status, code, wait_s, _ in REPEATABLE
    ]
    sent: list[tuple[str, list[Json]]] = [
        ("sendText", [f"{status}.{code or ''}.{wait_s or ''}", "+85260001000", "Hello"])
        for status, code, wait_s, *_ in ONCE
    ]

    with refusing() as url:
        told_queued, told_sent = ask(folder, url, *queued), ask(folder, url, *sent)
        broken = ask(folder, url, ("queueText", ["0..", "+1", "Hello", "a name"]), ("sendText", ["0..", "+1", "Hello"]))
    nobody = ask(folder, f"http://127.0.0.1:{free_ports(1)[0]}", queued[0], sent[0])

    assert told_queued == [[*kind, code, wait_s] for _, code, wait_s, kind in REPEATABLE]
    assert told_sent == [[*kind, code, wait_s] for _, _, wait_s, kind, code in ONCE]
    assert broken == nobody == [[*SILENT, "no_answer", None], [*UNSURE, "outcome_unknown", None]]
