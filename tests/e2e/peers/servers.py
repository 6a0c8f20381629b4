"""Web servers on this host that nobody but an engine would be asked to call."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: A picture of one pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360f8cff01f0005000201b52e5f470000000049454e44ae426082"
)


class Server:
    """Remembers what it was asked for; answers with a picture, or with a redirect if it was given an address."""

    def __init__(self, host: str, redirect_to: str | None) -> None:
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(f"{self.command} {self.path}")
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                self.send_response(200 if redirect_to is None else 302)
                if redirect_to is not None:
                    self.send_header("Location", redirect_to)
                self.send_header("Content-Type", "image/png")
                self.send_header("Content-Length", str(len(PNG)))
                self.end_headers()
                self.wfile.write(PNG)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *args: object) -> None:
                """Stay silent."""

        self.http = ThreadingHTTPServer((host, 0), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_port
        self.url = f"http://{host}:{self.port}"


@contextmanager
def serving(host: str = "127.0.0.1", redirect_to: str | None = None) -> Iterator[Server]:
    """Run a server in a thread of its own."""
    server = Server(host, redirect_to)
    thread = threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join(10)
