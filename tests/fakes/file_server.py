"""A server of files, with vices: it answers raw bytes of the test's choice, as slowly and as long as it likes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0" * 32


def whole(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Return an answer with a length."""
    return head(f"Content-Length: {len(body)}", *headers, status=status) + body


def head(*headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1")


def moved(location: str, status: str = "302 Found") -> bytes:
    return whole(b"", f"Location: {location}", status=status)


async def drip(writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then, for ever."""
    writer.write(head("Content-Length: 1000000"))
    while True:
        writer.write(b"x")
        await writer.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()


@dataclass(slots=True)
class FileServer:
    """Answers each path with bytes, or with what a function writes; keeps the heads of all requests."""

    url: str = ""
    answers: dict[str, bytes | Answer] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    under_way: int = 0
    under_way_max: int = 0

    @property
    def paths(self) -> list[str]:
        return [request.split(" ")[1] for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        self.under_way += 1
        self.under_way_max = max(self.under_way_max, self.under_way)
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.requests.append(request)
            answer = self.answers.get(request.split(" ")[1].partition("?")[0], whole(b"", status="404 Not Found"))
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.under_way -= 1
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def serving_files() -> AsyncIterator[FileServer]:
    """Run a server of files on loopback."""
    files = FileServer()
    server = await asyncio.start_server(files.serve, "127.0.0.1", 0, backlog=1024)
    files.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield files
    finally:
        server.close()
        await server.wait_closed()
