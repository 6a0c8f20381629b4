"""A backend with many addresses: keeps what each is posted, byte for byte, and answers as the test says."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from openwa_manager.domain.events import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One POST as it came; the names of the headers are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int


@dataclass
class Backend:
    """`statuses` says what a path answers; 200 unless it is named."""

    port: int
    posts: list[Post] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    _server: ThreadingHTTPServer | None = None

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def posts_to(self, path: str) -> list[Post]:
        """Return what was posted there, as it came."""
        return [post for post in list(self.posts) if post.path == path]

    def events(self, path: str) -> list[dict[str, Json]]:
        """Return the events that were accepted there, each once, in the order of arrival; tests left out."""
        accepted = [json.loads(post.body) for post in self.posts_to(path) if post.status == 200]
        once = {event["id"]: event for event in accepted if event["type"] != "endpoint.test"}
        return list(once.values())

    def __enter__(self) -> Self:
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = backend.statuses.get(self.path, 200)
                headers = {name.lower(): value for name, value in self.headers.items()}
                backend.posts.append(Post(path=self.path, headers=headers, body=body, status=status))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
