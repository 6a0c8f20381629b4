"""HTTP/1.1 as bytes: cuts requests out of a stream and writes answers; knows no socket."""

import json
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

HEAD_LIMIT_BYTES = 64 * 1024
#: OpenWA's default BODY_SIZE_LIMIT.
BODY_LIMIT_BYTES = 25 * 1024 * 1024

REASONS = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


class MalformedRequestError(Exception):
    """The bytes are no HTTP request; the connection cannot go on."""


class BodyTooLargeError(Exception):
    """The body is over OpenWA's limit; the rest of it is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One complete request; header names are lower case, target and path are not decoded."""

    method: str
    target: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def is_last(self) -> bool:
        """Tell whether the client asked for the connection to end after the answer."""
        return self.headers.get("connection", "").lower() == "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer; a `body` of None means no body at all, bytes are sent as they are, anything else as JSON."""

    status: int
    body: "Json | bytes" = None
    headers: dict[str, str] = field(default_factory=dict)


def encode_json(value: Json) -> bytes:
    """Write JSON exactly as `JSON.stringify` does: no spaces, no escapes beyond the necessary."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def encode_response(response: Response, *, is_last: bool, is_head: bool = False) -> bytes:
    """Return the bytes of an answer, with the connection headers that Node sends; one to HEAD ends with its head."""
    headers = dict(response.headers)
    match response.body:
        case None:
            body = b""
        case bytes():
            body = response.body
        case _:
            body = encode_json(response.body)
            headers["Content-Type"] = "application/json; charset=utf-8"
    if response.status != 204:
        headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close" if is_last else "keep-alive"
    lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (b"" if is_head else body)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The request line and headers, while the body is still coming."""

    method: str
    target: str
    headers: dict[str, str]

    def complete(self, body: bytes) -> Request:
        parts = urlsplit(self.target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Request(
            method=self.method, target=self.target, path=parts.path, query=query, headers=self.headers, body=body
        )


def _parse_head(raw: bytes) -> _Head:
    request_line, *header_lines = raw.decode("latin-1").split("\r\n")
    words = request_line.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise MalformedRequestError(request_line[:80])
    headers: dict[str, str] = {}
    for line in header_lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise MalformedRequestError(line[:80])
        headers[name.lower()] = value.strip()
    return _Head(method=words[0], target=words[1], headers=headers)


class RequestParser:
    """Collects the bytes of one connection and yields the requests in them."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._chunks: bytearray | None = None

    @property
    def wants_continue(self) -> bool:
        """Tell whether the client waits for `100 Continue` before it sends the body."""
        return self._head is not None and not self._buffer and self._head.headers.get("expect") == "100-continue"

    def feed(self, data: bytes) -> None:
        """Add bytes as they arrived."""
        self._buffer += data

    def next_request(self) -> Request | None:
        """Return the next complete request, or None while bytes are missing.

        Raises: MalformedRequestError, BodyTooLargeError.
        """
        if self._head is None:
            self._head = self._take_head()
        if self._head is None:
            return None
        body = self._take_body(self._head)
        if body is None:
            return None
        request = self._head.complete(body)
        self._head = None
        return request

    def _take_head(self) -> _Head | None:
        end = self._buffer.find(b"\r\n\r\n", 0, HEAD_LIMIT_BYTES)
        if end < 0:
            if len(self._buffer) > HEAD_LIMIT_BYTES:
                raise MalformedRequestError("the head does not end")
            return None
        head = _parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        return head

    def _take_body(self, head: _Head) -> bytes | None:
        if head.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._take_chunks()
        length = head.headers.get("content-length", "0")
        if not length.isdecimal():
            raise MalformedRequestError(f"content-length {length[:20]}")
        size = int(length)
        if size > BODY_LIMIT_BYTES:
            raise BodyTooLargeError
        if len(self._buffer) < size:
            return None
        body = bytes(self._buffer[:size])
        del self._buffer[:size]
        return body

    def _take_chunks(self) -> bytes | None:
        """Take every whole chunk at hand; the body once the last one, of size 0, is there."""
        if self._chunks is None:
            self._chunks = bytearray()
        while True:
            line_end = self._buffer.find(b"\r\n")
            if line_end < 0:
                return None
            size = self._chunk_size(line_end)
            if len(self._chunks) + size > BODY_LIMIT_BYTES:
                raise BodyTooLargeError
            chunk_end = line_end + 2 + size
            if len(self._buffer) < chunk_end + 2:
                return None
            self._chunks += self._buffer[line_end + 2 : chunk_end]
            del self._buffer[: chunk_end + 2]
            if size == 0:
                body, self._chunks = bytes(self._chunks), None
                return body

    def _chunk_size(self, line_end: int) -> int:
        digits = bytes(self._buffer[:line_end]).partition(b";")[0].strip()
        try:
            return int(digits, 16)
        except ValueError:
            raise MalformedRequestError("chunk size") from None


def path_segments(path: str) -> list[str]:
    """Split a path into decoded segments; one trailing slash does not count."""
    return [unquote(segment) for segment in path.removesuffix("/").split("/")[1:]]
