"""Hands a request to the session's engine, and the engine's answer to the caller."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from aiohttp import web

from openwa_manager.api.bodies.uploads import Payload, Upload, payload_of
from openwa_manager.api.gateway.forwarded import FORWARDED
from openwa_manager.api.gateway.kept.asking import Ask
from openwa_manager.api.gateway.lines import Destination, EngineLines, SearchDestination
from openwa_manager.api.gateway.media.guard import MediaGuard
from openwa_manager.api.gateway.relay import EngineAnswer
from openwa_manager.api.gateway.routes import ANY_BODY, SESSION_PREFIX, forwarded_route, own_route
from openwa_manager.api.gateway.sends import guide
from openwa_manager.api.gateway.sends.bulk import BulkSends
from openwa_manager.api.gateway.sends.sending import Sending
from openwa_manager.api.routing import Route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.session.session import Session
from openwa_manager.services.sessions.engine_inbox import EngineInbox


class Kept(Protocol):
    """A kind of thing that callers keep at an engine."""

    def has(self, words: tuple[str, ...]) -> bool:
        """Tell whether a path below a session is about it."""
        ...

    async def forward(
        self, request: web.Request, session: Session, path: tuple[str, ...], body: Payload, ask: Ask
    ) -> web.StreamResponse:
        """Hand a call on to the engine, and remember what came of it; `path` is its words below the session."""
        ...

    async def answer_stopped(self, request: web.Request, session: Session, path: tuple[str, ...]) -> web.StreamResponse:
        """Answer from what is remembered, and keep what is to be changed."""
        ...


@dataclass(frozen=True, kw_only=True)
class Forwarding:
    """Hands requests on; sends go through `sending`, and those in `bulk` become batches of ours.

    `kept` answers what is known while no engine runs; of the rest `media` may refuse what an engine would fetch.
    """

    inbox: EngineInbox
    lines: EngineLines
    sending: Sending
    bulk: BulkSends
    kept: Sequence[Kept]
    media: MediaGuard

    def table(self) -> tuple[Route, ...]:
        """Return the routes; the last one takes what OpenWA may have beside those we know of."""
        guide_send = own_route(
            f"POST {SESSION_PREFIX}messages/{guide.ANY_SEND}", Action.SEND_BY_GATEWAY, self.send_of_guide, {}
        )
        known = [forwarded_route(where, action, self.forward) for action, lines in FORWARDED.items() for where in lines]
        rest = forwarded_route("* {rest:.+}", Action.FORWARD_UNKNOWN, self.forward)
        return (replace(guide_send, takes=(ANY_BODY,)), *known, rest)

    async def send_of_guide(self, request: web.Request) -> web.StreamResponse:
        """Send a text `{to, text}` or an image `{to, url, caption}`, as the users' guide words them."""
        return await self.forward(request)

    async def forward(self, request: web.Request, read_body: bytes | None = None) -> web.StreamResponse:
        """Hand the request to its session's engine, and the engine's answer back; a send waits for its turn.

        `read_body` is the body if it has been read already.
        """
        where = Destination.of(request)
        if (answered := await self.bulk.answer(request, where)) is not None:
            return answered
        kept = next((each for each in self.kept if each.has(where.words)), None)
        if kept is not None and (resting := self.lines.resting(where)) is not None:
            return await kept.answer_stopped(request, resting, where.path)
        session = self.lines.find(where)
        session_id = session.session_id
        self.inbox.note_traffic(session_id)
        body = read_body or await payload_of(request)
        if kept is not None:
            return await kept.forward(request, session, where.path, body, self._asking(request, where))
        if isinstance(body, Upload):
            body.inspection = self.media.inspection(request.content_type, request.headers.get("Content-Type", ""))
        if where.is_send(request.method):
            return await self.sending.send(request, where, session, body)
        await self._require_public_media(request, body)
        async with await self.lines.ask(request, where, body) as answer:
            return await answer.relay(request)

    async def search(self, request: web.Request) -> web.StreamResponse:
        """Search the messages of the session that `sessionId` names."""
        where = SearchDestination.of(request)
        self.inbox.note_traffic(self.lines.find(where).session_id)
        async with await self.lines.ask(request, where, None) as answer:
            return await answer.relay(request)

    async def _require_public_media(self, request: web.Request, body: Payload) -> None:
        """Return if the engine may fetch what a small body names; a large one is looked at as it passes.

        Raises:
            GatewayError: it may not.
        """
        if isinstance(body, bytes):
            inspection = self.media.inspection(request.content_type, request.headers.get("Content-Type", ""))
            inspection.feed(body)
            await inspection.finish()

    def _asking(self, request: web.Request, where: Destination) -> Ask:
        """Return what asks the session's engine beside handing the request on; the query goes with the latter alone."""

        async def ask(method: str, tail: str, body: Payload) -> EngineAnswer:
            is_handed_on = method == request.method and tail.strip("/").lower() == where.tail.strip("/").lower()
            there = replace(where, tail=tail, query=where.query if is_handed_on else "")
            return await self.lines.ask(request, there, body, method=method)

        return ask
