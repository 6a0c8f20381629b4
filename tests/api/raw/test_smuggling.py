"""What two programs could read in two ways is read by none: one refusal, and the connection ends."""

import logging

import pytest

from tests.api.raw.lines import SMUGGLED, Answer, Target, exchange

POST = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

AMBIGUOUS = {
    "length and chunks": POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "the same length twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "a negative length": POST + b"Content-Length: -2\r\n\r\n{}",
    "a length in hexadecimal": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "a length with a space in it": POST + b"Content-Length: 2 2\r\n\r\n{}",
    "a length with an underscore": POST + b"Content-Length: 0_2\r\n\r\n{}",
    "no length at all": POST + b"Content-Length: \r\n\r\n{}",
    "a length beyond 64 bits": POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked and then another coding": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n{}",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, chunked": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked behind a control character": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a space before the name": POST + b" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded header": POST + b"X-Folded: a\r\n b\r\n\r\n",
    "a folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a line that ends with LF alone": GET + b"X-Bare: a\nX-Other: b\r\n\r\n",
    "all lines end with LF alone": GET.replace(b"\r", b"") + b"\n",
    "a CR within a value": GET + b"X-Bare: a\rX-Other: b\r\n\r\n",
    "a zero within a value": GET + b"X-Zero: a\x00b\r\n\r\n",
    "a zero within a name": GET + b"X-Ze\x00ro: a\r\n\r\n",
    "a header without a name": GET + b": a\r\n\r\n",
    "a header without a colon": GET + b"nonsense\r\n\r\n",
    "a name with a character of no token": GET + b"X(Y): a\r\n\r\n",
    "a size of a chunk with a sign": CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n",
    "a size of a chunk in another form": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "a size of a chunk beyond 64 bits": CHUNKED + b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"2\r\n{}}\r\n0\r\n\r\n",
    "a chunk that ends with LF alone": CHUNKED + b"2\n{}\n0\n\n",
    "a chunk's extension with LF": CHUNKED + b"2;a=\n{}\r\n0\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a zero within the target": b"GET /livez\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a space within the target": b"GET /live z HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a method in small letters": b"get /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a method with a space before it": b" GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "two Hosts": GET + b"Host: evil.example\r\n\r\n",
    "the same Host twice": GET + b"Host: localhost\r\n\r\n",
    "HTTP/0.9": b"GET /livez\r\n",
    "HTTP/2 as if known": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2.0 in a request": b"GET /livez HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "HTTP of no version": b"GET /livez HTTP/x\r\nHost: localhost\r\n\r\n",
    "another protocol": b"RTSP/1.0 200 OK\r\n\r\n",
    "a handshake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "nonsense": bytes(range(256)),
}


async def answers_to_all(target: Target, port: int) -> dict[str, list[Answer]]:
    """Return what is answered to each of them, and to what would be a request of its own behind it."""
    return {what: await exchange(port, target.filled(raw), SMUGGLED) for what, raw in AMBIGUOUS.items()}


async def test_what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(
    target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    answers = await answers_to_all(target, target.port)

    assert {what: [each.status for each in got] for what, got in answers.items()} == {key: [400] for key in AMBIGUOUS}
    assert {each.headers["content-type"] for got in answers.values() for each in got} == {"application/problem+json"}
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_engines_do_not_smuggle_either(target: Target) -> None:
    answers = await answers_to_all(target, target.intake_port)

    assert {what: [each.status for each in got] for what, got in answers.items()} == {key: [400] for key in AMBIGUOUS}
