"""Shows batches, pauses them, lets them go on and calls them off."""

from functools import partial

from aiohttp import web

from openwa_manager.api.messaging.dependencies import MessagingDependencies
from openwa_manager.api.messaging.requests import BatchChange, BatchesQuery
from openwa_manager.api.messaging.responses import BatchOut, BatchPage, batch_out
from openwa_manager.api.requests import Nothing
from openwa_manager.api.routing import Call, Route, json_answer, route
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.messaging.messages import BatchId
from openwa_manager.services.sessions.directory import SessionDirectory


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
            route(of_session, Role.VIEWER, self.list_some, BatchesQuery, {200: (BatchPage,)}),
            route(f"GET {one}", Role.VIEWER, self.show, Nothing, shown),
            route(f"PATCH {one}", Role.SENDER, self.change, BatchChange, {**shown, 409: ()}),
            route(f"DELETE {one}", Role.SENDER, self.cancel, Nothing, shown),
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
        return json_answer(batch_out(await self._batches.show(call.request.match_info["batch_id"])))

    async def change(self, call: Call[BatchChange]) -> web.Response:
        """Pause a batch, or let it go on."""
        is_paused = call.arguments.state == "paused"
        return json_answer(
            batch_out(await self._batches.set_paused(call.request.match_info["batch_id"], is_paused=is_paused))
        )

    async def cancel(self, call: Call[Nothing]) -> web.Response:
        """Call off what still waits in a batch."""
        cancel = partial(self._batches.cancel, call.request.match_info["batch_id"])
        return json_answer(batch_out(await self._background.finish(cancel)))
