"""Shows the end of an engine's log, and follows it."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from openwa_manager.api.errors import LogUnreadableError
from openwa_manager.api.requests import LogQuery
from openwa_manager.api.routing import Call, Route, route
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.errors import SessionNotFoundError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.host.logfile import open_log, rotated
from openwa_manager.services.sessions.directory import SessionDirectory

TEXT = "text/plain"
_BLOCK_BYTES = 65_536
#: How often a followed log is read; a watch per follower would cost more than a stat.
_POLL_S = 0.2


class LogRoutes:
    """`/v1/sessions/{session_id}/logs`."""

    def __init__(self, sessions: SessionDirectory) -> None:
        self._sessions = sessions

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (
            route("GET /v1/sessions/{session_id}/logs", Role.OPERATOR, self.show, LogQuery, {200: (TEXT,), 409: ()}),
        )

    async def show(self, call: Call[LogQuery]) -> web.StreamResponse:
        """Return the last lines of the engine's log; with `follow` those to come too, until the caller or we leave.

        Raises:
            LogUnreadableError: what lies in its place is no plain file.
        """
        session_id = call.session_id
        path = self._sessions.log_path(self._sessions.get(session_id).session_id)
        older, position = await asyncio.to_thread(tail_of, path, call.arguments.tail)
        end = None if call.arguments.follow else await asyncio.to_thread(_size_of, path)
        response = web.StreamResponse(headers={"Content-Type": f"{TEXT}; charset=utf-8"})
        await response.prepare(call.request)
        if call.request.method == "HEAD":
            return response
        if older:
            await response.write(older)
        async for chunk in _chunks(path, position, end):
            if chunk:
                await response.write(chunk)
            elif not self._is_followed(call.request, session_id):
                break
        await response.write_eof()
        return response

    def _is_followed(self, request: web.Request, session_id: SessionId) -> bool:
        """Tell whether the caller is still there, the session too, and the daemon goes on."""
        if request.transport is None or self._sessions.is_draining:
            return False
        try:
            self._sessions.get(session_id)
        except SessionNotFoundError:
            return False
        return True


async def _chunks(path: Path, position: int, end: int | None) -> AsyncIterator[bytes]:
    """Yield the file from `position` to `end`; without an end go on for ever, with an empty chunk at every pause."""
    while True:
        chunk, position = await asyncio.to_thread(read_from, path, position, end)
        if not chunk and end is not None:
            return
        yield chunk
        if not chunk:
            await asyncio.sleep(_POLL_S)


def tail_of(path: Path, line_count: int) -> tuple[bytes, int]:
    """Return where the last lines of a log begin, and before it those of them that were rotated away already."""
    position = tail_position(path, line_count)
    if position > 0 or line_count == 0:
        return b"", position
    try:
        with _opened(path) as file:
            missing_count = line_count - len(file.read().splitlines())
    except FileNotFoundError:
        missing_count = line_count
    older = rotated(path)
    try:
        with _opened(older) as file:
            file.seek(tail_position(older, max(0, missing_count)))
            return file.read(), position
    except FileNotFoundError:
        return b"", position


def tail_position(path: Path, line_count: int) -> int:
    """Return where the last `line_count` lines of a file begin; 0 when it has fewer, or is not there yet."""
    try:
        with _opened(path) as file:
            return _line_start(file, file.seek(0, os.SEEK_END), line_count)
    except FileNotFoundError:
        return 0


def _line_start(file: BinaryIO, end: int, line_count: int) -> int:
    """Return where the last lines before `end` begin; a last line that is not finished yet counts as one."""
    if line_count == 0:
        return end
    wanted = line_count
    block_end = end
    while block_end > 0:
        block_start = max(0, block_end - _BLOCK_BYTES)
        file.seek(block_start)
        block = file.read(block_end - block_start)
        at = len(block) - 1 if block_end == end and block.endswith(b"\n") else len(block)
        while (at := block.rfind(b"\n", 0, at)) != -1:
            wanted -= 1
            if wanted == 0:
                return block_start + at + 1
        block_end = block_start
    return 0


def read_from(path: Path, position: int, end: int | None) -> tuple[bytes, int]:
    """Return the next bytes, none behind `end`, and the position after them.

    A file cut short was rotated: first comes what is left of its former content, then it starts anew.
    """
    try:
        with _opened(path) as file:
            if file.seek(0, os.SEEK_END) < position:
                if rest := _rest_of(rotated(path), position):
                    return rest, position + len(rest)
                position = 0
            file.seek(position)
            wanted = _BLOCK_BYTES if end is None else max(0, min(_BLOCK_BYTES, end - position))
            chunk = file.read(wanted)
    except FileNotFoundError:
        return b"", 0
    return chunk, position + len(chunk)


def _rest_of(path: Path, position: int) -> bytes:
    try:
        with _opened(path) as file:
            file.seek(position)
            return file.read(_BLOCK_BYTES)
    except FileNotFoundError:
        return b""


def _size_of(path: Path) -> int:
    try:
        with _opened(path) as file:
            return file.seek(0, os.SEEK_END)
    except FileNotFoundError:
        return 0


def _opened(path: Path) -> BinaryIO:
    """Open a log for reading.

    Raises:
        FileNotFoundError: there is none.
        LogUnreadableError: something else lies in its place, which is not followed.
    """
    try:
        return open_log(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LogUnreadableError(f"{path.name} cannot be read as a log: {error.strerror}") from error
