"""Takes many messages in with one call."""

import asyncio
from functools import partial

from aiohttp import web

from openwa_manager.api.admission.rights import session_id_in
from openwa_manager.api.messaging.bulk_body import BULK_MAX_BYTES, read_bulk
from openwa_manager.api.messaging.dependencies import MessagingDependencies
from openwa_manager.api.messaging.drafts import asked_by, refuse_unable
from openwa_manager.api.messaging.requests import BulkIn
from openwa_manager.api.messaging.responses import BulkOut
from openwa_manager.api.routing import Route, read_up_to, require_json, unread_route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.errors import QueueFullError
from openwa_manager.domain.session.session import Session
from openwa_manager.services.messaging.acceptance.bulk import BulkResult
from openwa_manager.services.sessions.directory import SessionDirectory

#: How many bytes the bodies may have together that wait for their turn.
_WAITING_MAX_BYTES = 128 << 20
_TURN_WITHIN_S = 5


class BulkRoutes:
    """`/v1/sessions/{session_id}/messages/bulk`."""

    def __init__(self, sessions: SessionDirectory, messaging: MessagingDependencies) -> None:
        self._sessions = sessions
        self._messaging = messaging
        self._waiting_bytes = 0

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        path = "POST /v1/sessions/{session_id}/messages/bulk"
        answers = {200: (BulkOut,), 202: (BulkOut,), 409: (), 429: ()}
        return (unread_route(path, Action.SEND_BULK, self.send, BulkIn, answers),)

    async def send(self, request: web.Request) -> web.Response:
        """Take up to 10,000 messages in at once, or tell by `dry_run` what would become of them."""
        session = self._sessions.get(session_id_in(request))
        if not self._messaging.can_send(session):
            raise refuse_unable(session.spec.engine)
        require_json(request)
        raw = await read_up_to(request, BULK_MAX_BYTES)
        asked_by(request, "")
        if self._waiting_bytes + len(raw) > _WAITING_MAX_BYTES:
            raise QueueFullError("too many batches wait to be taken in", _TURN_WITHIN_S)
        self._waiting_bytes += len(raw)
        try:
            status, answer = await self._messaging.background.finish(partial(self._take, request, session, raw))
        finally:
            self._waiting_bytes -= len(raw)
        return web.Response(status=status, body=answer, content_type="application/json")

    async def _take(self, request: web.Request, session: Session, raw: bytes) -> tuple[int, bytes]:
        """Take a batch in; one with a file is read once more when that is there, and not kept meanwhile."""
        bulk = self._messaging.bulk
        async with bulk.turn():
            given = await asyncio.to_thread(read_bulk, raw)
            if given.is_dry_run:
                return 200, await bulk.rehearse(session, given.draft)
            asked, body = asked_by(request, given.body_sha256), given.draft.body
            if body is None or body.url is None:
                return _answer(await bulk.accept(session, given.draft, asked))
        del given
        fetched_for = await bulk.fetch_ahead(session, body, asked)
        async with bulk.turn():
            given = await asyncio.to_thread(read_bulk, raw)
            return _answer(await bulk.accept(session, given.draft, asked, fetched_for))


def _answer(result: BulkResult) -> tuple[int, bytes]:
    return 202 if result.is_new else 200, result.answer
