"""Takes bodies that may be large: handed on as they come or as pieces, counted as they pass, never copied whole."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from aiohttp import web

from openwa_manager.api.errors import SlowRequestError, TooLargeError
from openwa_manager.api.routing import BODY_WITHIN_S
from openwa_manager.domain.errors import OpenwaManagerError

#: Bodies up to this are handed on in one piece, larger ones as they come.
SMALL_BYTES = 64 * 1024
#: OpenWA's own limit (BODY_SIZE_LIMIT).
UPLOAD_MAX_BYTES = 25 * 1024 * 1024
#: How long a large body may take that is handed on: 25 MiB at 350 kbit/s, as a telephone sends where there is no 4G.
_UPLOAD_WITHIN_S = 600.0


class Inspection(Protocol):
    """Looks at a body as it passes."""

    def feed(self, chunk: bytes) -> None:
        """Take what comes next."""
        ...

    async def finish(self) -> None:
        """Return if the whole body may be handed on; an error says why not."""
        ...


class Upload:
    """A body that is handed on as it comes, its last part only once `inspection` has nothing against the whole.

    Its length may not have been told: `begun` is what was read already in order to find out whether it is small.
    """

    def __init__(self, request: web.Request, begun: bytes = b"") -> None:
        self._request = request
        self._begun = begun
        self._refusal: OpenwaManagerError | None = None
        self.inspection: Inspection | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body's parts as they come.

        Raises:
            TooLargeError: there is no end to it.
            OpenwaManagerError: it must not be handed on.
        """
        byte_count, held = 0, b""
        try:
            async for chunk in self._chunks():
                byte_count += len(chunk)
                if byte_count > UPLOAD_MAX_BYTES:
                    raise _too_large()
                if self.inspection is not None:
                    self.inspection.feed(chunk)
                if held:
                    yield held
                held = chunk
            if self.inspection is not None:
                await self.inspection.finish()
        except OpenwaManagerError as refusal:
            self._refusal = refusal
            raise
        if held:
            yield held

    async def _chunks(self) -> AsyncIterator[bytes]:
        if self._begun:
            yield self._begun
        due_s = asyncio.get_running_loop().time() + _UPLOAD_WITHIN_S
        while chunk := await self._next_by(due_s):
            yield chunk

    async def _next_by(self, due_s: float) -> bytes:
        """Return what comes next, empty at the end.

        Raises:
            SlowRequestError: nothing came for as long as a small body may take, or the whole takes too long.
        """
        left_s = min(BODY_WITHIN_S, due_s - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(left_s):
                return await self._request.content.readany()
        except TimeoutError as error:
            raise SlowRequestError("the body came too slowly to wait for its end") from error

    def require_sound(self) -> None:
        """Return if nothing has come yet that must not be handed on.

        Raises:
            OpenwaManagerError: something has: more than OpenWA takes, or what the inspection refuses.
        """
        if self._refusal is not None:
            raise self._refusal

    async def read(self) -> bytearray:
        """Return the whole body.

        Raises:
            TooLargeError: it is larger than OpenWA takes.
            SlowRequestError: it was not whole in time.
        """
        whole = bytearray()
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                async for chunk in self:
                    whole += chunk
        except TimeoutError as error:
            raise SlowRequestError(f"the body was not whole within {BODY_WITHIN_S:g} s") from error
        return whole


class Pieces:
    """A large body made of parts of another one."""

    def __init__(self, parts: Sequence[memoryview]) -> None:
        self._parts = parts
        self.byte_count = sum(map(len, parts))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield it bit by bit."""
        for part in self._parts:
            for begin in range(0, len(part), SMALL_BYTES):
                yield bytes(part[begin : begin + SMALL_BYTES])


Payload = bytes | Upload | Pieces | None


async def payload_of(request: web.Request) -> bytes | Upload | None:
    """Return what the caller sends, whole if it is small, however it travels; None when there is no body.

    Raises:
        TooLargeError: it is larger than OpenWA takes.
        SlowRequestError: its beginning did not come in time.
    """
    length = request.content_length
    if length is not None and length > UPLOAD_MAX_BYTES:
        raise _too_large()
    if not request.body_exists:
        return None
    if length is not None and length > SMALL_BYTES:
        return Upload(request)
    begun = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            while len(begun) <= SMALL_BYTES and (chunk := await request.content.readany()):
                begun += chunk
    except TimeoutError as error:
        raise SlowRequestError(f"the body did not come within {BODY_WITHIN_S:g} s") from error
    return bytes(begun) if request.content.is_eof() else Upload(request, bytes(begun))


def _too_large() -> TooLargeError:
    return TooLargeError("request entity too large")  # OpenWA's words
