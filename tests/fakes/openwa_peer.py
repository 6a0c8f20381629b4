"""An OpenWA that is always linked and costs little, with vices: it plays what a simulator of the real one never does.

`python openwa_peer.py` listens on `OPENWA_MANAGER_SOCKET`. Below a session, `…/vice/<name>` does what the name says;
everything else is answered like a send.
"""

import asyncio
import hashlib
import json
import os
import re
import signal
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: The same in every launch of one session, and no other session's unless it is told to lie.
_SESSION_ID = os.environ.get("SIM_PEER_ID") or str(uuid.uuid5(uuid.NAMESPACE_URL, str(Path.cwd())))
_SENT = b'{"messageId":"3EB0FEB47E02BB80BCD713","timestamp":1795333492}'
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"transfer-encoding: *chunked", re.IGNORECASE)

#: For so long at most.
_HELD_S = 20.0
#: It ends by itself after so long, should whoever started it be gone.
_LIVES_S = 3600.0
#: What is written for a vice, and that the connection ends there.
_RAW: Mapping[str, bytes] = {
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "hang-up": b"",
    "half": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf",
    "half-large": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000,
    "half-chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
}
_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Kept: yes\r\n\r\n" + b"4\r\nwave\r\n" * 3 + b"0\r\n\r\n"


@dataclass
class Peer:
    """The one instance: what the daemon set up, when each send began and was answered, and who is connected."""

    name: str = ""
    hook: str = ""
    templates: list[dict[str, object]] = field(default_factory=list)
    config: dict[str, object] = field(default_factory=dict)
    silenced_count: int = 0
    sends_s: list[tuple[float, float]] = field(default_factory=list)
    connected: set[asyncio.StreamWriter] = field(default_factory=set)
    all_gone: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until either side hangs up."""
        self.all_gone.clear()
        self.connected.add(writer)
        try:
            while await self._answer(reader, writer):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.connected.discard(writer)
            if not self.connected:
                self.all_gone.set()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        path = target.partition("?")[0]
        if "/messages/" in path:
            await self._send(reader, writer, head, path)
        elif method == "HEAD":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
        elif target.endswith("?odd"):
            writer.write(_answered(200, b"<html>"))
        elif path == "/api/search":
            writer.write(_answered(200, _json({"target": target}), "Content-Type: text/plain"))
        elif "/vice/" in path:
            return self._misbehave(
                writer, target.rpartition("/vice/")[2], head.decode("latin-1"), await _body(reader, head)
            )
        else:
            writer.write(self._set_up(method, path, await _body(reader, head)))
        return True

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, path: str) -> None:
        """Answer a send; one that is to be held only once `…/messages/release` was called."""
        begun_s = time.monotonic()
        if path.endswith("/release"):
            self.released.set()
        if b'"is_held"' in await _body(reader, head):
            async with asyncio.timeout(_HELD_S):
                await self.released.wait()
        writer.write(_answered(201, _SENT))
        self.sends_s.append((begun_s, time.monotonic()))

    def _set_up(self, method: str, path: str, body: bytes) -> bytes:
        is_new = method == "POST"
        match path.removeprefix("/api/").split("/"):
            case ["sessions"]:
                self.name = json.loads(body)["name"] if is_new else self.name
                rows = [self._row()] if self.name else []
                return _answered(201, _json(rows[0])) if is_new else _answered(200, _json(rows))
            case [_, _, "webhooks"] if is_new:
                self.hook = json.loads(body)["url"]
                return _answered(201, _json({"id": "hook-1", "url": self.hook}))
            case [_, _, "webhooks"]:
                return _answered(200, _json([{"id": "hook-1", "url": self.hook}] if self.hook else []))
            case [_, _, "templates" | "config" as kind, *which]:
                return self._keep(method, kind, which, body)
        if path.endswith("/logout"):
            return _answered(500, b'{"statusCode":500,"message":"Internal server error"}')
        return _answered(200, _json(self._row()))

    def _keep(self, method: str, kind: str, which: list[str], body: bytes) -> bytes:
        if kind == "config":
            self.config |= json.loads(body or b"{}")
            return _answered(200, _json(self.config))
        if method == "POST":
            made = {"id": f"t-{len(self.templates)}", "sessionId": _SESSION_ID, **json.loads(body)}
            self.templates.append(made)
            return _answered(201, _json(made))
        if method == "DELETE":
            self.templates = [each for each in self.templates if [each["id"]] != which]
            return _answered(204, b"")
        return _answered(200, _json(self.templates))

    def _row(self) -> dict[str, object]:
        return {"id": _SESSION_ID, "name": self.name, "status": "ready", "phone": "85212345678", "engineLoaded": True}

    def _misbehave(self, writer: asyncio.StreamWriter, vice: str, head: str, body: bytes) -> bool:
        vice, _, dress = vice.partition("?")
        match vice:
            case "echo":
                seen = {"head": head, "length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
                writer.write(_answered(200, _json(seen), "Content-Type: text/plain"))  # so that nobody translates it
            case "mirror":
                writer.write(_answered(203, body))
            case "dressed":
                writer.write(_answered(200, body, dress.replace("=", ": ").replace("&", "\r\n")))
            case "chunks":
                writer.write(_CHUNKS)
            case "silenced":
                writer.write(_answered(200, _json({"count": self.silenced_count})))
            case "sends":
                writer.write(_answered(200, _json(self.sends_s)))
            case "silence":
                self.silenced_count += 1
            case _:
                writer.write(_RAW[vice])
                return False
        return True


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if _CHUNKED.search(head):
        parts = []
        while size := int(await reader.readline(), 16):
            parts.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readexactly(2)
        return b"".join(parts)
    length = _LENGTH.search(head)
    return await reader.readexactly(int(length[1])) if length else b""


def _answered(status: int, body: bytes, dress: str = "Content-Type: application/json; charset=utf-8") -> bytes:
    head = f"HTTP/1.1 {status} X\r\n{dress}\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\nKeep-Alive: timeout=5\r\nX-Powered-By: peer\r\n\r\n" + body


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


async def main() -> None:
    """Serve until SIGTERM, and then until every client has hung up, as Node does."""
    loop, stop, peer = asyncio.get_running_loop(), asyncio.Event(), Peer()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await asyncio.start_unix_server(peer.serve, os.environ["OPENWA_MANAGER_SOCKET"])
    async with asyncio.timeout(_LIVES_S):
        await stop.wait()
    server.close()
    if peer.connected:
        async with asyncio.timeout(_LIVES_S):
            await peer.all_gone.wait()


if __name__ == "__main__":
    asyncio.run(main())
