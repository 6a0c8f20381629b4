"""Shows the end of an engine's log, and follows it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from aiohttp import web

from openwa_manager.api.lists.pages import write_within
from openwa_manager.api.requests import LogQuery
from openwa_manager.api.routing import Call, Route, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.errors import SessionNotFoundError
from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.session.session import SessionId
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.logs.logtail import OlderPart, read_from, read_older, size_of, tail_of
from openwa_manager.services.sessions.directory import SessionDirectory

T = TypeVar("T")

TEXT = "text/plain"
#: How often a followed log is read; a watch per follower would cost more than a stat.
_POLL_S = 0.2


class LogRoutes:
    """`/v1/sessions/{session_id}/logs`."""

    def __init__(self, sessions: SessionDirectory, files: EngineFiles) -> None:
        self._sessions = sessions
        self._files = files

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (route("GET /v1/sessions/{session_id}/logs", Action.READ_LOGS, self.show, LogQuery, {200: (TEXT,)}),)

    async def show(self, call: Call[LogQuery]) -> web.StreamResponse:
        """Return the last lines of the engine's log; with `follow` those to come too, until the caller or we leave.

        What is no plain file is an empty log. At most 8 MiB come before those to follow, however long a line is.
        """
        session_id = self._sessions.get(call.session_id).session_id
        log = self._sessions.log_path(session_id)
        older, position = await self._read(session_id, partial(tail_of, log, call.arguments.tail))
        end = None if call.arguments.follow else await self._read(session_id, partial(size_of, log))
        response = web.StreamResponse(headers={"Content-Type": f"{TEXT}; charset=utf-8"})
        await response.prepare(call.request)
        if call.request.method == "HEAD":
            return response
        async with aclosing(self._chunks(session_id, log, (older, position, end))) as chunks:
            async for chunk in chunks:
                if chunk:
                    await write_within(response, chunk)
                elif not self._is_followed(call.request, session_id):
                    break
        await response.write_eof()
        return response

    async def _read(self, session_id: SessionId, read: Callable[[], T]) -> T:
        return await self._files.run(session_id, read)

    async def _chunks(
        self, session_id: SessionId, log: ForeignPath, stretch: tuple[OlderPart | None, int, int | None]
    ) -> AsyncGenerator[bytes]:
        """Yield the older part of a log, and the log from a position to an end.

        Without an end go on for ever, with an empty chunk at every pause.
        """
        older, position, end = stretch
        while older is not None:
            chunk, older = await self._read(session_id, partial(read_older, log, older))
            if not chunk:
                break
            yield chunk
        while True:
            chunk, position = await self._read(session_id, partial(read_from, log, position, end))
            if not chunk and end is not None:
                return
            yield chunk
            if not chunk:
                await asyncio.sleep(_POLL_S)

    def _is_followed(self, request: web.Request, session_id: SessionId) -> bool:
        """Tell whether the caller is still there, the session too, and the daemon goes on."""
        if request.transport is None or self._sessions.is_draining:
            return False
        try:
            self._sessions.get(session_id)
        except SessionNotFoundError:
            return False
        return True
