"""A daemon's HTTP API that answers what it was told to, on a real socket, and remembers what it was asked."""

import json
import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from openwa_manager.domain.delivery.events import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it arrived; a body that is no JSON stays text. Of a repeated parameter `query` has the last."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Json
    pairs: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered; `raw` goes out as it is, in place of a JSON `body`, as a stranger's would."""

    status: int = 200
    body: Json = None
    raw: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Api:
    """The answers by `METHOD /path`, given out in turn, the last one again and again; others are 404."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def on(self, line: str, *answers: Answer) -> None:
        """Answer `METHOD /path` so."""
        self.answers[line] = list(answers)

    def answer(self, asked: Asked) -> Answer:
        """Return the answer whose turn it is."""
        self.asked.append(asked)
        turns = self.answers.get(f"{asked.method} {asked.path}")
        if turns is None:
            return problem(404, "not_found", "there is no such session")
        return turns.pop(0) if len(turns) > 1 else turns[0]


def problem(status: int, code: str, detail: str) -> Answer:
    """Return an error as the API words it."""
    body: Json = {"title": "Trouble", "status": status, "code": code, "detail": detail, "request_id": "r1"}
    return Answer(status=status, body=body)


@contextmanager
def serving(api: Api, socket_path: Path | None = None) -> Iterator[Api]:
    """Serve on a unix socket, or on a free port of 127.0.0.1 that `url` then names."""
    handler = _handler_of(api)
    server: socketserver.ThreadingUnixStreamServer | socketserver.ThreadingTCPServer
    if socket_path:
        socket_path.parent.mkdir(parents=True, exist_ok=True)
        server = socketserver.ThreadingUnixStreamServer(str(socket_path), handler)
    else:
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        api.url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
    server.daemon_threads = True  # closing it waits for no caller
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def _handler_of(api: Api) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            url = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            is_json = self.headers.get_content_type() == "application/json"
            asked = Asked(
                method=self.command,
                path=url.path,
                query=dict(parse_qsl(url.query)),
                headers=dict(self.headers.items()),
                body=None if not raw else json.loads(raw) if is_json else raw.decode(),
                pairs=parse_qsl(url.query),
            )
            answer = api.answer(asked)
            content = answer.raw if answer.raw is not None else b""
            if answer.body is not None:
                content = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(content)))
            if answer.raw is None or answer.status < 300:
                self.send_header("X-Request-ID", "r1")
                kind = "application/problem+json" if answer.status >= 400 else "application/json"
                self.send_header("Content-Type", kind)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # a caller that has seen enough hangs up
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the names http.server looks for

        def address_string(self) -> str:
            return "cli"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    return Handler
