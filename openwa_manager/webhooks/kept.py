"""Posts over connections that earlier posts have left open: the head is made once per address, and nothing is traced.

A client's session makes a new request of each post: its address, headers, cookies, redirects and traces anew, which
takes more time than all the rest of a delivery. Whatever is not the usual a session does: a new connection above all.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from yarl import URL

from openwa_manager.webhooks.answers import AnswerConnector, read_away

#: A larger body is written by the session, which waits for the receiver to read.
_BODY_MAX_BYTES = 16 << 10
#: Of so many addresses the beginning of a post is kept.
_ADDRESSES_MAX = 256


class EndpointAnswer(NamedTuple):
    """What an answer says in its head; `retry_after` None means that it has no such header."""

    status: int
    retry_after: str | None


class KeptConnections:
    """The open connections of a session's `connector`; its posts say what those of the session do."""

    def __init__(self, session: aiohttp.ClientSession, connector: AnswerConnector) -> None:
        self._connector = connector
        self._address_of = lru_cache(_ADDRESSES_MAX)(lambda url: _Address.of(url, session.headers))

    async def post(self, url: URL, headers: Mapping[str, str], body: bytes) -> EndpointAnswer | None:
        """Return the answer to a post with these headers too; None: no connection is open for that.

        Raises:
            ServerDisconnectedError | OSError: the connection broke before there was an answer.
            HttpProcessingError: the answer is malformed; its code is the status of its first line, 0 for none.
        """
        if len(body) > _BODY_MAX_BYTES:
            return None
        address = self._address_of(url)
        connection = await self._connector.reuse(address.key)
        if connection is None:
            return None
        try:
            answer = await _exchange(connection, address.request(headers, body))
        except BaseException:
            connection.close()
            raise
        connection.release()  # closed is one with more to read
        return answer


class _Address(NamedTuple):
    """Where posts go: how a connection there is known, and how each post there begins."""

    key: ConnectionKey
    beginning: str

    @classmethod
    def of(cls, url: URL, headers: Mapping[str, str]) -> "_Address":
        request = aiohttp.ClientRequest("POST", url, headers=headers)
        request.headers.popall("Content-Length", None)
        lines = [f"{name}: {value}\r\n" for name, value in request.headers.items()]
        return cls(request.connection_key, f"POST {request.url.raw_path_qs} HTTP/1.1\r\n{''.join(lines)}")

    def request(self, headers: Mapping[str, str], body: bytes) -> bytes:
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        return f"{self.beginning}{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _exchange(connection: Connection, request: bytes) -> EndpointAnswer:
    transport, protocol = connection.transport, connection.protocol
    if transport is None or protocol is None:
        raise aiohttp.ServerDisconnectedError
    transport.write(request)
    message, body = await protocol.read()
    while 100 <= message.code < 200 and message.code != 101:  # there is more to come
        message, body = await protocol.read()
    await read_away(body)
    return EndpointAnswer(message.code, message.headers.get("Retry-After"))
