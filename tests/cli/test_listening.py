"""Where another user's daemon listens, found among that user's sockets by what answers there."""

import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from openwa_manager.cli.listening import url_of


class Ours(BaseHTTPRequestHandler):
    """Answers as the API does when it is asked whether it lives."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 404)
        self.send_header("X-Request-ID", "1")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Ours) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(10)


def line(port: int, user_id: int, address: str = "0100007F") -> str:
    return f"   0: {address}:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {user_id:5} 0 1 1 0"


def test_the_first_that_answers_as_ours_is_told(tmp_path: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        lines = [line(deaf.getsockname()[1], 7), line(1, 7), line(port, 8), line(port, 7, "0101A8C0"), line(port, 7)]
        (tmp_path / "tcp").write_text("  sl  local_address …\n".replace("…", "") + "\n".join(lines))

        assert url_of(7, tmp_path) == f"http://127.0.0.1:{port}"
    assert url_of(9, tmp_path) is None
    assert url_of(7, tmp_path / "absent") is None


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the kernel does not tell")
def test_the_kernels_own_table_is_understood(port: int) -> None:
    lines = [each for each in Path("/proc/net/tcp").read_text("ascii").splitlines() if f":{port:04X} " in each]

    assert lines
    assert str(os.geteuid()) in lines[0].split()[7]
