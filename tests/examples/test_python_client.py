"""The example client against servers that fail: what is asked again, what is not, and where the key goes."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from examples.python import client as example


@dataclass
class Server:
    """Answers with what it was given, in order, the last one for ever; None breaks the line."""

    port: int = 0
    answers: list[tuple[int, dict[str, str], bytes] | None] = field(default_factory=list)
    heard: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def will(self, *answers: tuple[int, dict[str, str], object] | None) -> None:
        """Answer so from now on; what is not bytes is sent as JSON."""
        self.answers = [
            each and (each[0], each[1], each[2] if isinstance(each[2], bytes) else json.dumps(each[2]).encode())
            for each in answers
        ]


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            state.heard.append((f"{self.command} {self.path}", dict(self.headers), self.rfile.read(length)))
            said = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            if said is None:
                self.close_connection = True
                return
            self.send_response(said[0])
            for name, value in {"Content-Length": str(len(said[2])), **said[1]}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said[2])

        do_GET = do_POST = answer  # noqa: N815 (the library's names)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            del format, args

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = listener.server_port
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield state
    listener.shutdown()
    listener.server_close()
    thread.join(10)


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> example.Client:
    monkeypatch.setattr(example, "PAUSES_S", (0, 0, 0))
    return example.Client(f"http://127.0.0.1:{server.port}", "owm_key", timeout_s=5)


DONE: tuple[int, dict[str, str], object] = (202, {}, {"message_id": "msg_1", "status": "queued"})
BUSY = {"code": "rate_limited", "detail": "too many", "retry_after_s": 0.01}


@pytest.mark.parametrize(
    "trouble",
    [
        None,
        (200, {}, b"<html>a proxy</html>"),
        (200, {}, b"[]"),
        (200, {"Content-Length": "100"}, b"{"),
        (429, {}, BUSY),
        (429, {"Retry-After": "0"}, b"busy"),
        (502, {}, b"bad gateway"),
        (503, {"Retry-After": "0"}, {"code": "draining", "detail": "it ends"}),
        (507, {}, {"code": "storage_full", "detail": "full"}),
    ],
)
def test_what_passes_is_asked_again_under_the_same_name(
    server: Server, client: example.Client, trouble: tuple[int, dict[str, str], object] | None
) -> None:
    server.will(trouble, DONE)

    message = client.send("acme", "+85260001000", {"text": "Hello"}, reference="order-17")

    assert message["message_id"] == "msg_1"
    assert len({(where, body) for where, _, body in server.heard}) == 1
    assert len(server.heard) == 2
    assert json.loads(server.heard[0][2])["reference"] == "order-17"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_request"),
        (401, "unauthenticated"),
        (409, "illegal_transition"),
        (422, "idempotency_mismatch"),
        (429, "quota_exceeded"),
        (429, "first_contact_cap"),
        (501, ""),
    ],
)
def test_what_lasts_is_asked_once(server: Server, client: example.Client, status: int, code: str) -> None:
    server.will((status, {}, {"code": code, "detail": "no"}))

    with pytest.raises(example.RefusedError) as refused:
        client.send_bulk("acme", {"text": "Hello"}, [{"to": "+85260001000"}], key="spring-1")

    assert (refused.value.status, refused.value.code, refused.value.is_transient) == (status, code, False)
    assert len(server.heard) == 1
    assert server.heard[0][1]["Idempotency-Key"] == "spring-1"


def test_what_could_only_be_done_in_an_hour_is_not_waited_for(server: Server, client: example.Client) -> None:
    server.will((429, {"Retry-After": "3600"}, b"later"))

    with pytest.raises(example.RefusedError) as refused:
        client.message("msg_1")

    assert (refused.value.retry_after_s, refused.value.is_transient, len(server.heard)) == (3600, True, 1)


def test_a_call_that_never_succeeds_ends_after_four_tries(server: Server, client: example.Client) -> None:
    server.will((503, {}, {"code": "no_capacity", "detail": "full"}))

    with pytest.raises(example.RefusedError, match="no_capacity"):
        client.queue("acme")

    assert len(server.heard) == 4


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_key_follows_no_redirect(server: Server, client: example.Client, status: int) -> None:
    server.will((status, {"Location": f"http://127.0.0.1:{server.port}/elsewhere"}, b""), (200, {}, {}))

    with pytest.raises(example.RefusedError, match=str(status)):
        client.message("msg_1")

    assert [where for where, _, _ in server.heard] == ["GET /v1/messages/msg_1"]


def test_an_id_cannot_name_another_call(server: Server, client: example.Client) -> None:
    server.will((200, {}, {}))

    client.message("../sessions/acme?x=")

    assert server.heard[0][0] == "GET /v1/messages/..%2Fsessions%2Facme%3Fx%3D"


@pytest.mark.parametrize("key", ["", "two words", "Frühling", "a\nb", "x" * 256])
def test_a_key_that_no_header_can_hold_is_refused_before_anything_is_asked(
    server: Server, client: example.Client, key: str
) -> None:
    with pytest.raises(ValueError, match="Idempotency-Key"):
        client.send_bulk("acme", {"text": "Hello"}, [], key=key)

    assert server.heard == []


def test_only_an_address_of_the_web_is_called() -> None:
    with pytest.raises(ValueError, match="not the address"):
        example.Client("file:///etc/passwd", "owm_key")


@pytest.mark.parametrize("key", ["", "  ", "owm_a\nowm_b", "owm_Schlüssel"])
def test_what_cannot_be_a_key_is_refused_at_once_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="the key is empty, or has") as refused:
        example.Client("http://127.0.0.1:2790", key)

    assert "owm_" not in str(refused.value)


def test_the_end_of_a_file_may_lack_columns_but_its_head_must_name_the_recipient(tmp_path: Path) -> None:
    short, nameless = tmp_path / "short.csv", tmp_path / "nameless.csv"
    short.write_text("to,name\n+85260001000\n+85260001001,Bob,more\n")
    nameless.write_text("number,name\n+85260001000,Ann\n")

    rows = list(example._chunks(short))

    assert rows == [
        [
            {"to": "+85260001000", "variables": {"name": ""}},
            {"to": "+85260001001", "variables": {"name": "Bob"}},
        ]
    ]
    with pytest.raises(SystemExit, match="no column `to`"):
        list(example._chunks(nameless))
