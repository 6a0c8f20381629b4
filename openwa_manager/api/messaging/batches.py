"""Shows batches, pauses them, lets them go on and calls them off."""

from functools import partial
from typing import TypeVar

from aiohttp import web

from openwa_manager.api.messaging.dependencies import MessagingDependencies
from openwa_manager.api.messaging.requests import BatchChange, BatchesQuery
from openwa_manager.api.messaging.responses import BatchOut, BatchPage, batch_out
from openwa_manager.api.requests import Nothing, RequestModel
from openwa_manager.api.routing import Call, Route, json_answer, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.messaging.messages import BatchId
from openwa_manager.services.sessions.directory import SessionDirectory

G = TypeVar("G", bound=RequestModel)


class BatchRoutes:
    """`/v1/batches/{batch_id}`, `/v1/sessions/{session_id}/batches`."""

    def __init__(self, sessions: SessionDirectory, messaging: MessagingDependencies) -> None:
        self._sessions = sessions
        self._batches = messaging.batches
        self._background = messaging.background

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        one, shown = "/v1/batches/{batch_id}", {200: (BatchOut,)}
        of_session = "GET /v1/sessions/{session_id}/batches"
        return (
            route(of_session, Action.READ_MESSAGES, self.list_some, BatchesQuery, {200: (BatchPage,)}),
            route(f"GET {one}", Action.READ_MESSAGES, self.show, Nothing, shown),
            route(f"PATCH {one}", Action.CHANGE_BATCH, self.change, BatchChange, {**shown, 409: ()}),
            route(f"DELETE {one}", Action.CHANGE_BATCH, self.cancel, Nothing, shown),
        )

    async def list_some(self, call: Call[BatchesQuery]) -> web.Response:
        """List a session's batches, newest first."""
        session, given = self._sessions.get(call.session_id), call.arguments
        before_id = None if given.cursor is None else BatchId(given.cursor)
        found = await self._batches.list_some(session.session_id, before_id, given.limit + 1)
        page, has_more = found[: given.limit], len(found) > given.limit
        cursor = page[-1].facts.batch.batch_id if has_more else None
        return json_answer(BatchPage(batches=[batch_out(view) for view in page], next_cursor=cursor))

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Show a batch: its messages by state, what holds the rest, and when it is done, roughly."""
        return json_answer(batch_out(await self._batches.show(await self._find(call))))

    async def change(self, call: Call[BatchChange]) -> web.Response:
        """Pause a batch, or let it go on."""
        is_paused = call.arguments.state == "paused"
        return json_answer(batch_out(await self._batches.set_paused(await self._find(call), is_paused=is_paused)))

    async def cancel(self, call: Call[Nothing]) -> web.Response:
        """Call off what still waits in a batch."""
        cancel = partial(self._batches.cancel, await self._find(call))
        return json_answer(batch_out(await self._background.finish(cancel)))

    async def _find(self, call: Call[G]) -> BatchId:
        return await self._batches.find(call.request.match_info["batch_id"], call.caller.scope)
