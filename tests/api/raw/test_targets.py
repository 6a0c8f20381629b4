"""Targets, hosts, expectations and sizes, as they stand on the wire."""

import pytest

from tests.api.raw.lines import SMUGGLED, Target, exchange
from tests.api.world import World

KEY = b"X-API-Key: {key}\r\n"
LAST = b"Connection: close\r\n\r\n"


def request(line: bytes, *headers: bytes, host: bytes | None = b"localhost") -> bytes:
    """Return a request that is the last on its connection."""
    named = b"" if host is None else b"Host: %b\r\n" % host
    return line + b" HTTP/1.1\r\n" + named + b"".join(headers) + LAST


async def statuses(target: Target, *parts: bytes) -> list[int]:
    return [answer.status for answer in await exchange(target.port, *map(target.filled, parts))]


HOSTS: dict[bytes | None, int] = {
    b"localhost": 200,
    b"LOCALHOST:1": 200,
    b"127.0.0.1:{port}": 200,
    b"[::1]:{port}": 200,
    b"wa.example.com": 200,
    None: 400,  # the parser knows that HTTP/1.1 needs one (RFC 9112, 3.2)
    b"": 421,
    b"evil.example": 421,
    b"127.0.0.1.evil.example": 421,
    b"localhost@evil.example": 421,
    b"evil.example:80@localhost": 421,
    b"localhost:port": 421,
    b"localhost evil.example": 421,
    b"localhost, evil.example": 421,
    b"localhost.": 421,
    b"127.1": 421,
    b"2130706433": 421,
    b"[::ffff:127.0.0.1%25lo]": 421,
    b"\xff\xfe": 421,
}
LINES = {
    b"GET http://127.0.0.1:{port}/livez": 200,
    b"GET http://localhost/livez": 200,
    b"GET http://evil.example/livez": 421,
    b"GET http://user@evil.example/livez": 421,
    b"GET //evil.example/livez": 404,
    b"GET https:/livez": 400,
    b"CONNECT evil.example:443": 421,
    b"CONNECT localhost:443": 404,
    b"OPTIONS *": 404,
    b"TRACE /livez": 405,
    b"MKCOL /livez": 405,
}
PATHS = (
    b"/v1/sessions/..%2fregistry",
    b"/v1/sessions/%2e%2e/registry",
    b"/v1/sessions/../registry",
    b"/v1//registry",
    b"/./v1/registry",
    b"/v1/registry%00",
    b"/v1/registry%20",
    b"/v1/registry;a=b",
    b"/V1/registry",
    b"/v1%2fregistry",
    b"/v1/sessions/acme%2f..%2fother",
    b"/v1/sessions/acme%00",
    b"/v1/sessions/acme%0d%0a",
    b"/v1/sessions/%ff",
    b"/v1/sessions/acme%252f",
    b"/v1/sessions/ACME",
    b"/v1/sessions/%61cme%2fqr",
    b"/api/sessions/acme/..%2f..%2f..%2fv1%2fregistry",
    b"/api/sessions/..;/sessions/acme",
    b"/\\evil.example",
)


async def test_a_request_is_for_one_of_our_names(target: Target) -> None:
    found = {host: await statuses(target, request(b"GET /livez", host=host)) for host in HOSTS}

    assert found == {host: [status] for host, status in HOSTS.items()}


async def test_other_forms_of_a_target_lead_nowhere_else(target: Target) -> None:
    found = {line: await statuses(target, request(line, KEY)) for line in LINES}

    assert found == {line: [status] for line, status in LINES.items()}


async def test_a_path_that_is_written_otherwise_is_no_path_of_ours(target: Target) -> None:
    found = {path: await statuses(target, request(b"GET " + path, KEY)) for path in PATHS}

    assert found == {key: [404] for key in PATHS}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((b"Expect: 100-continue\r\n", b"Content-Length: 2\r\n"), 401),
        ((KEY, b"Expect: 200-maybe\r\n", b"Content-Length: 2\r\n"), 417),
        ((KEY, b"Expect: 100-continue\r\n", b"Content-Encoding: gzip\r\n", b"Content-Length: 2\r\n"), 415),
    ],
    ids=["stranger", "unknown", "packed"],
)
async def test_nobody_is_asked_for_a_body_that_is_not_taken(
    target: Target, headers: tuple[bytes, ...], status: int
) -> None:
    assert await statuses(target, request(b"POST /v1/sessions", *headers)) == [status]


async def test_a_known_caller_is_asked_for_its_body(target: Target) -> None:
    head = request(b"POST /v1/sessions", KEY, b"Expect: 100-continue\r\n", b"Content-Length: 2\r\n")

    assert await statuses(target, head + b"[]") == [100, 415]


@pytest.mark.parametrize("length", [b"Content-Length: 65537\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_body_that_is_too_large_is_refused_before_it_is_whole(target: Target, length: bytes) -> None:
    body = b"10001\r\n" + b" " * 65537 if b"chunked" in length else b""
    head = request(b"POST /v1/sessions", KEY, b"Content-Type: application/json\r\n", length)

    assert await statuses(target, head + body) == [413]


async def test_requests_on_one_connection_are_answered_in_their_order(target: Target) -> None:
    first = b"GET /v1/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
    second = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"

    assert await statuses(target, (first + second) * 50 + request(b"GET /livez")) == [401, 200] * 50 + [200]


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c", b"TLS/1.0"])
async def test_no_other_protocol_is_spoken_and_what_may_be_in_it_is_not_read(target: Target, protocol: bytes) -> None:
    asking = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % protocol

    assert await statuses(target, asking, SMUGGLED) == [200]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n", 200),
        (b"GET /livez HTTP/1.0\r\n\r\n", 421),
        (b"POST /v1/sessions HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 401),
    ],
)
async def test_old_http_is_answered_once(target: Target, raw: bytes, status: int) -> None:
    assert await statuses(target, raw) == [status]


async def test_nothing_of_a_refused_request_comes_back(target: Target) -> None:
    for raw in (
        b"GET /<script>alert(1)</script> HTTP/1.1\r\nHost: localhost\r\n<b>: x\r\n\r\n",
        b"<script> / HTTP/1.1\r\n\r\n",
    ):
        (answer,) = await exchange(target.port, raw)

        assert b"script" not in answer.body
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_body_that_never_comes_is_given_up(
    target: Target, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openwa_manager.api.routing.BODY_WITHIN_S", 0.05)
    head = request(b"POST /v1/sessions", KEY, b"Content-Type: application/json\r\n", b"Content-Length: 9\r\n")

    assert await statuses(target, head + b"{") == [408]
    assert world.sessions.list_sessions() == []
