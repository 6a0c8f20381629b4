import http.client
import json
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.simulator.http.wire import Json, MalformedRequestError, RequestParser
from tests.simulator.harness import KEY, Simulator


@given(
    body=st.binary(max_size=200),
    is_chunked=st.booleans(),
    chunk_size=st.integers(1, 50),
    cut=st.integers(1, 40),
)
def test_a_request_is_the_same_however_it_is_cut(body: bytes, is_chunked: bool, chunk_size: int, cut: int) -> None:
    head = b"POST /a%20b?x=1 HTTP/1.1\r\nHost: h\r\n"
    if is_chunked:
        pieces = [body[at : at + chunk_size] for at in range(0, len(body), chunk_size)]
        framed = b"".join(b"%x;ext\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        raw = head + b"Transfer-Encoding: chunked\r\n\r\n" + framed
    else:
        raw = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    parser = RequestParser()
    found = []

    for at in range(0, 2 * len(raw), cut):
        parser.feed((raw + raw)[at : at + cut])
        while (request := parser.next_request()) is not None:
            found.append(request)

    assert [(request.path, request.query, request.body) for request in found] == [("/a%20b", {"x": "1"}, body)] * 2


@pytest.mark.parametrize(
    "raw",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"A" * 70_000,
    ],
)
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    parser = RequestParser()
    parser.feed(raw)

    with pytest.raises(MalformedRequestError):
        parser.next_request()


def test_a_connection_serves_many_requests(shared: Simulator) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", shared.port, timeout=45)) as connection:
        for _ in range(3):
            connection.request("GET", "/api/health")
            response = connection.getresponse()
            response.read()

            assert response.headers["Connection"] == "keep-alive"


def test_a_chunked_body_is_accepted(shared: Simulator) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", shared.port, timeout=45)) as connection:
        body = iter([b'{"name":', b'"chunked"}'])
        headers = {"X-API-Key": KEY, "Content-Type": "application/json"}

        connection.request("POST", "/api/sessions", body, headers, encode_chunked=True)

        assert connection.getresponse().status == 201


def test_a_body_is_only_sent_after_100_continue_if_the_client_waits(shared: Simulator) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=45) as client:
        client.sendall(b"POST /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
        interim = client.recv(100)
        client.sendall(b"{}")
        final = client.recv(1000)

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert final.startswith(b"HTTP/1.1 404 ")


def test_a_body_over_25_mb_is_refused(shared: Simulator) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=45) as client:
        client.sendall(b"POST /api/sessions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (25 * 1024 * 1024 + 1))
        raw = client.makefile("rb").read()

    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body) == {"statusCode": 413, "message": "request entity too large"}


def test_a_body_of_20_mb_is_accepted(shared: Simulator) -> None:
    answer = shared.ask("POST", "/api/sessions", {"name": "x" * (20 * 1024 * 1024)})

    assert answer.status == 400
    assert answer.fields["message"] == ["name must be shorter than or equal to 50 characters"]


def test_an_unknown_route_is_answered_as_nest_does(shared: Simulator) -> None:
    answer = shared.ask("GET", "/api/nothing?x=1", headers={})

    assert answer.status == 404
    assert answer.body == {"message": "Cannot GET /api/nothing?x=1", "error": "Not Found", "statusCode": 404}


def test_metrics_and_dashboard_are_off(shared: Simulator) -> None:
    assert shared.ask("GET", "/api/metrics", headers={}).status == 404
    assert shared.ask("GET", "/", headers={}).status == 404


def test_a_bearer_token_opens_as_well(shared: Simulator) -> None:
    answer = shared.ask("POST", "/api/auth/validate", headers={"Authorization": f"Bearer {KEY}"})

    assert answer.body == {"valid": True, "role": "admin"}


@pytest.mark.parametrize(("sent", "is_kept"), [("abc-123", True), ("bad id!", False)])
def test_a_sane_request_id_is_kept(shared: Simulator, sent: str, is_kept: bool) -> None:
    answer = shared.ask("GET", "/api/health", headers={"X-Request-ID": sent})

    assert (answer.headers["X-Request-ID"] == sent) is is_kept


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"name": "ab"}, "name must be longer than or equal to 3 characters"),
        ({"name": "a_b"}, "Session name can only contain letters, numbers, and hyphens"),
        ({"name": 1}, "name must be a string"),
        ({"name": "abc", "foo": 1}, "property foo should not exist"),
        (
            {"name": "abc", "proxyType": "ftp"},
            "proxyType must be one of the following values: http, https, socks4, socks5",
        ),
    ],
)
def test_a_bad_session_is_refused_in_detail(shared: Simulator, body: Json, complaint: str) -> None:
    answer = shared.ask("POST", "/api/sessions", body)

    assert answer.status == 400
    messages = answer.fields["message"]
    assert isinstance(messages, list)
    assert complaint in messages


@pytest.mark.parametrize("text", ['{"a":1', "[1,", '"text"', "{'a': 1}"])
def test_malformed_json_is_a_400_before_the_key_is_asked(shared: Simulator, text: str) -> None:
    answer = shared.ask("POST", "/api/sessions", text, headers={})

    assert answer.status == 400
    assert "JSON" in str(answer.fields["message"])


def test_other_sends_are_accepted(shared: Simulator) -> None:
    session_id = shared.create("other-sends")
    shared.link(session_id)
    path = f"/api/sessions/{session_id}/messages"
    chat: dict[str, Json] = {"chatId": "628123456789@c.us"}
    media: dict[str, Json] = {**chat, "base64": "aGVsbG8="}

    bodies: dict[str, dict[str, Json]] = {
        "send-video": media,
        "send-audio": media | {"ptt": True},
        "send-sticker": media,
        "send-location": {**chat, "latitude": -6.2, "longitude": 106.8},
        "send-contact": {**chat, "contactName": "Alice", "contactNumber": "628999"},
        "send-poll": {**chat, "name": "Where?", "options": ["Park", "Beach"]},
        "reply": {**chat, "quotedMessageId": "3EB0", "text": "yes"},
        "forward": {"fromChatId": "1@c.us", "toChatId": "2@c.us", "messageId": "3EB0"},
    }
    statuses = {name: shared.ask("POST", f"{path}/{name}", body).status for name, body in bodies.items()}

    assert set(statuses.values()) == {201}, statuses
    assert shared.ask("POST", f"{path}/react", {**chat, "messageId": "3EB0", "emoji": "👍"}).status == 200
    assert shared.ask("POST", f"{path}/edit", {**chat, "messageId": "3EB0", "body": "no"}).fields["messageId"] == "3EB0"
    assert shared.ask("POST", f"{path}/send-image", chat).status == 400
    for name in ("groups", "contacts"):
        assert shared.ask("GET", f"/api/sessions/{session_id}/{name}").body == []


def test_media_is_served_as_bytes(shared: Simulator) -> None:
    answer = shared.ask("GET", "/api/sessions/any/messages/628@c.us/3EB0FFFF/media")

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert len(answer.raw) == 1024 * 1024


def test_a_batch_can_be_cancelled(shared: Simulator) -> None:
    session_id = shared.create("batches")
    shared.link(session_id)
    path = f"/api/sessions/{session_id}/messages"
    message: Json = {"chatId": "1@c.us", "type": "text", "content": {"text": "x"}}
    made = shared.ask("POST", f"{path}/send-bulk", {"batchId": "b1", "messages": [message] * 3}).fields

    cancelled = shared.ask("POST", f"{path}/batch/{made['batchId']}/cancel")

    assert cancelled.fields["status"] == "cancelled"
    progress = cancelled.fields["progress"]
    assert isinstance(progress, dict)
    assert (progress["pending"], progress["total"]) == (0, 3)
    assert shared.ask("POST", f"{path}/batch/b1/cancel").status == 400
    assert shared.ask("POST", f"{path}/send-bulk", {"batchId": "b1", "messages": []}).status == 400


def test_health_is_never_throttled(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"RATE_LIMIT_SHORT_LIMIT": "2"}) as simulator:
        statuses = {simulator.ask("GET", "/api/health/ready", headers={}).status for _ in range(5)}

        assert statuses == {200}


def test_typing_takes_its_time(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"SIMULATE_TYPING": "true"}) as simulator:
        session_id = simulator.create()
        simulator.link(session_id)
        began = time.monotonic()

        assert simulator.send_text(session_id).status == 201

        assert time.monotonic() - began > 0.5


def test_media_may_come_from_public_names_only_when_online(tmp_path: Path) -> None:
    with Simulator(tmp_path, {"SIM_ONLINE": "1"}) as simulator:
        session_id = simulator.create()
        simulator.link(session_id)
        path = f"/api/sessions/{session_id}/messages/send-image"
        urls = ("https://example.com/a.jpg", "http://169.254.169.254/", "http://localhost/a.jpg", "http://127.0.0.1/a")

        statuses = [simulator.ask("POST", path, {"chatId": "1@c.us", "url": url}).status for url in urls]

        assert statuses == [201, 400, 400, 201]


def test_a_hung_send_never_answers(shared: Simulator) -> None:
    session_id = shared.create("hung-send")
    shared.link(session_id)
    shared.control("fail?mode=hang")

    with pytest.raises(TimeoutError):
        shared.ask(
            "POST",
            f"/api/sessions/{session_id}/messages/send-text",
            {"chatId": "1@c.us", "text": "x"},
            timeout_s=0.2,
        )


def test_keys_are_listed_shown_and_removed(shared: Simulator) -> None:
    made = shared.ask("POST", "/api/auth/api-keys", {"name": "temporary", "role": "viewer"}).fields
    shown = {name: value for name, value in made.items() if name != "apiKey"}
    path = f"/api/auth/api-keys/{made['id']}"

    listed = shared.ask("GET", "/api/auth/api-keys").body

    assert isinstance(listed, list)
    assert shown in listed
    assert shared.ask("GET", path).body == shown
    assert shared.ask("DELETE", path).status == 204
    assert shared.ask("GET", path).status == 404


def test_a_viewer_may_look_but_not_touch(shared: Simulator) -> None:
    made = shared.ask("POST", "/api/auth/api-keys", {"name": "viewer", "role": "viewer"}).fields
    viewer = {"X-API-Key": str(made["apiKey"])}

    answer = shared.ask("POST", "/api/sessions", {"name": "abc"}, headers=viewer)

    assert shared.ask("GET", "/api/sessions", headers=viewer).status == 200
    assert answer.body == {
        "message": "Insufficient permissions. Required: operator",
        "error": "Forbidden",
        "statusCode": 403,
    }


@pytest.mark.parametrize(
    "verb", ["scan?name=nobody", "receive?name=idle-one", "close?name=idle-one", "spawn-browser?name=nobody"]
)
def test_control_of_what_is_not_there_is_a_404(shared: Simulator, verb: str) -> None:
    shared.ask("POST", "/api/sessions", {"name": "idle-one"})

    assert shared.ask("POST", f"/_sim/{verb}", headers={}).status == 404


@pytest.mark.parametrize("url", ["http://[::1", "http:///path", "https://10.0.0.1/"])
def test_odd_addresses_are_refused(shared: Simulator, name: str, url: str) -> None:
    session_id = shared.create(name)

    assert shared.ask("POST", f"/api/sessions/{session_id}/webhooks", {"url": url}).status == 400


def posted(shared: Simulator, body: bytes, content_type: str) -> tuple[int, object]:
    """Return what a webhook that is made with this body is answered; the session is none, so 404 means it was read."""
    headers = {"X-API-Key": KEY, "Content-Type": content_type}
    with closing(http.client.HTTPConnection("127.0.0.1", shared.port, timeout=10)) as connection:
        connection.request("POST", f"/api/sessions/{'0' * 8}-0000-4000-8000-{'0' * 12}/webhooks", body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["message"]


READ = f"Session with id '{'0' * 8}-0000-4000-8000-{'0' * 12}' not found"
NO_URL = ["url must be a URL address"]
HOOK = b'{"url":"http://example.org/","events":["*"],"retryCount":3}'
FORM = b"url=http%3A%2F%2Fexample.org%2F&events[0]=message.sent&events[]=*&headers[X-A]=b&retryCount=3&filters[a]=1"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "message"),
    [
        (HOOK, "application/json", 404, READ),
        (HOOK, 'APPLICATION/JSON; charset="UTF-8";', 404, READ),
        (b"\xef\xbb\xbf" + HOOK, "application/json", 404, READ),
        (HOOK.decode().encode("utf-16"), "application/json; charset=utf-16", 404, READ),
        (FORM, "application/x-www-form-urlencoded", 404, READ),
        (FORM.replace(b"=3", b"=three"), "application/x-www-form-urlencoded", 400, None),
        (HOOK, "text/json", 400, NO_URL),
        (HOOK, "application/vnd.api+json", 400, NO_URL),
        (HOOK, "multipart/form-data; boundary=b", 400, NO_URL),
        (HOOK, "application/json; charset=utf8", 415, 'unsupported charset "UTF8"'),
        (FORM, "application/x-www-form-urlencoded; charset=utf-16", 415, 'unsupported charset "UTF-16"'),
    ],
)
def test_a_body_is_read_as_express_reads_it(
    shared: Simulator, body: bytes, content_type: str, status: int, message: object
) -> None:
    found, said = posted(shared, body, content_type)

    assert found == status
    assert message is None or said == message


def test_head_is_answered_with_the_head_alone(shared: Simulator) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", shared.port, timeout=10)) as connection:
        for _ in range(2):
            connection.request("HEAD", "/api/health/live")
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("Content-Length"), answer.read()) == (200, "15", b"")
