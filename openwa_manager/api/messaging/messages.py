"""Takes messages in, shows them, calls them off, sends them again and settles them."""

from functools import partial
from typing import TypeVar

from aiohttp import web

from openwa_manager.api.lists.pages import Listing, answer_list
from openwa_manager.api.messaging.dependencies import MessagingDependencies
from openwa_manager.api.messaging.drafts import asked_by, draft_of, hash_of, refuse_unable
from openwa_manager.api.messaging.requests import MessageIn, MessagesQuery, SettleIn
from openwa_manager.api.messaging.responses import MessageOut, MessagePage, message_out
from openwa_manager.api.requests import Nothing, RequestModel
from openwa_manager.api.routing import Call, Route, json_answer, json_of, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.messaging.messages import BatchId, Message
from openwa_manager.domain.messaging.recipients import chat_id_of
from openwa_manager.services.messaging.outlook import MessageView
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.store.messaging.messages import MessageFilter

G = TypeVar("G", bound=RequestModel)

_ONE = {200: (MessageOut,)}
_CHANGED = {200: (MessageOut,), 409: ()}


class MessageRoutes:
    """`/v1/sessions/{session_id}/messages`, `/v1/messages/{message_id}…`."""

    def __init__(self, sessions: SessionDirectory, messaging: MessagingDependencies) -> None:
        self._sessions = sessions
        self._messaging = messaging
        self._requests = messaging.requests

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        of_session, one = "/v1/sessions/{session_id}/messages", "/v1/messages/{message_id}"
        taken = {200: (MessageOut,), 202: (MessageOut,), 409: (), 429: ()}
        resent = {200: (MessageOut,), 202: (MessageOut,), 409: (), 422: (), 429: ()}
        return (
            route(f"POST {of_session}", Action.SEND, self.send, MessageIn, taken),
            route(f"GET {of_session}", Action.READ_MESSAGES, self.list_some, MessagesQuery, {200: (MessagePage,)}),
            route(f"GET {one}", Action.READ_MESSAGES, self.show, Nothing, _ONE),
            route(f"DELETE {one}", Action.CHANGE_MESSAGE, self.cancel, Nothing, _CHANGED),
            route(f"POST {one}/resend", Action.SEND, self.resend, Nothing, resent),
            route(f"POST {one}/settle", Action.CHANGE_MESSAGE, self.settle, SettleIn, _CHANGED),
        )

    async def send(self, call: Call[MessageIn]) -> web.Response:
        """Take a message in; it is sent when its turn comes, and ends in exactly one final state."""
        session = self._sessions.get(call.session_id)
        if not self._messaging.can_send(session):
            raise refuse_unable(session.spec.engine)
        asked = asked_by(call.request, hash_of(call.arguments))
        accept = partial(self._messaging.singles.accept, session, draft_of(call.arguments), asked)
        accepted = await self._messaging.background.finish(accept)
        view = await self._requests.show(accepted.message)
        return json_answer(message_out(view), 202 if accepted.is_new else 200)

    async def list_some(self, call: Call[MessagesQuery]) -> web.StreamResponse:
        """List messages of a session that match, newest first."""
        session, given = self._sessions.get(call.session_id), call.arguments
        wanted = MessageFilter(
            statuses=given.status,
            chat_ids=None if given.to is None else [chat_id_of(given.to, self._messaging.default_region)],
            batch_id=None if given.batch_id is None else BatchId(given.batch_id),
            reference=given.reference,
        )
        before_seq = None if given.cursor is None else int(given.cursor)
        found = await self._requests.list_some(session.session_id, wanted, before_seq, given.limit + 1)
        page: Listing[MessageView] = Listing(
            name="messages",
            encode=lambda view: json_of(message_out(view)),
            ending=lambda last, has_more: {"next_cursor": str(last.message.seq) if last and has_more else None},
            limit=given.limit,
        )
        return await answer_list(call.request, found, page)

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Show a message, with every attempt at it."""
        return json_answer(message_out(await self._requests.show(await self._find(call))))

    async def cancel(self, call: Call[Nothing]) -> web.Response:
        """Call a message off that waits; once it is being sent that is too late."""
        return json_answer(message_out(await self._requests.cancel(await self._find(call))))

    async def resend(self, call: Call[Nothing]) -> web.Response:
        """Send a message that did not get through once more, as a new one that `replaces` it; asked again, the same."""
        message = await self._find(call)
        session = self._sessions.get(message.origin.session_id)
        resend = partial(self._requests.resend, session, message)
        view, is_new = await self._messaging.background.finish(resend)
        return json_answer(message_out(view), 202 if is_new else 200)

    async def settle(self, call: Call[SettleIn]) -> web.Response:
        """Say what became of a message of which nothing is known."""
        message = await self._find(call)
        return json_answer(message_out(await self._requests.settle(message, call.arguments.verdict)))

    async def _find(self, call: Call[G]) -> Message:
        """Return the message the path names; those of a session that is gone are kept for a while."""
        return await self._requests.find(call.request.match_info["message_id"], call.caller.scope)
