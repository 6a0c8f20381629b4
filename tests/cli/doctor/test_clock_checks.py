"""The clock, as the kernel tells of it, and beside the backend's, which is a real HTTP server."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from openwa_manager.cli.doctor.clock_checks import ahead_of_backend_s, check_offset
from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.services.diagnosis.clock import check_clock, clock_state


class Backend(BaseHTTPRequestHandler):
    """Answers with what the test wants in `Date`, and keeps what it was asked."""

    date: str | None = None
    status = 405

    def do_HEAD(self) -> None:
        self.send_response_only(self.status)
        if self.date is not None:
            self.send_header("Date", self.date)
        self.end_headers()
        self.server.asked.append((self.command, self.path, dict(self.headers)))  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def backend(date: str | None, status: int = 405) -> Iterator[tuple[str, list[tuple[str, str, dict[str, str]]]]]:
    handler = type("Handler", (Backend,), {"date": date, "status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        asked: list[tuple[str, str, dict[str, str]]] = []
        server.asked = asked  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://user:secret@127.0.0.1:{server.server_port}/hook?token=secret", asked
        finally:
            server.shutdown()
            thread.join(10)


def shifted(by_s: float) -> str:
    return formatdate(time.time() + by_s, usegmt=True)  # noqa: TID251 the clock of another host


@pytest.mark.parametrize(("backend_is_ahead_s", "said"), [(-600.0, "600 s ahead of"), (90.0, "90 s behind")])
def test_a_clock_that_is_not_the_backends_is_found(backend_is_ahead_s: float, said: str) -> None:
    with backend(shifted(backend_is_ahead_s)) as (url, asked):
        ahead_s = ahead_of_backend_s(url)

    assert ahead_s is not None
    assert abs(ahead_s + backend_is_ahead_s) < 5
    finding = check_offset(float(round(ahead_s, -1)))
    assert (finding.level, finding.cure is None) == ("warn", False)
    assert said in finding.detail
    assert [(method, path) for method, path, _ in asked] == [("HEAD", "/")]
    assert "secret" not in str(asked)


@pytest.mark.parametrize("status", [200, 404, 503])
def test_any_answer_tells_the_time(status: int) -> None:
    with backend(shifted(0), status) as (url, _):
        ahead_s = ahead_of_backend_s(url)

    assert ahead_s is not None
    assert check_offset(ahead_s) == Finding("clock", "ok", "as the backend's")


@pytest.mark.parametrize("date", [None, "yesterday", ""])
def test_a_backend_that_tells_no_time_is_no_failure(date: str | None) -> None:
    with backend(date) as (url, _):
        assert ahead_of_backend_s(url) is None
    assert ahead_of_backend_s(url) is None  # it has gone
    assert ahead_of_backend_s(None) is None
    assert check_offset(None).level == "ok"


@pytest.mark.parametrize(("ahead_s", "level"), [(30.0, "ok"), (-30.0, "ok"), (31.0, "warn"), (-31.0, "warn")])
def test_half_a_minute_is_allowed(ahead_s: float, level: str) -> None:
    assert check_offset(ahead_s).level == level


@pytest.mark.parametrize(
    ("state", "level", "said"),
    [(0, "ok", "synchronised"), (5, "warn", "not synchronised"), (-1, "ok", "the system does not tell")],
)
def test_what_the_kernel_says_is_judged(state: int, level: str, said: str) -> None:
    finding = check_clock(state)

    assert (finding.level, said in finding.detail, finding.cure is None) == (level, True, level == "ok")


@pytest.mark.skipif(sys.platform != "linux", reason="every Mac says that its clock is not synchronised")
def test_the_kernel_tells_about_its_clock() -> None:
    assert -1 <= clock_state() <= 5
