"""Hands a request to the session's engine, and the engine's answer to the caller."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol
from urllib.parse import unquote

from aiohttp import web

from openwa_manager.api.bodies.uploads import Payload, Pieces, Upload, payload_of
from openwa_manager.api.errors import TooLargeError
from openwa_manager.api.gateway import guide
from openwa_manager.api.gateway.errors import GatewayError, not_active, not_connected
from openwa_manager.api.gateway.forwarded import FORWARDED
from openwa_manager.api.gateway.kept.asking import Ask, JsonBytes
from openwa_manager.api.gateway.media.guard import MediaGuard
from openwa_manager.api.gateway.relay import EngineAnswer, Names, headers_for_engine
from openwa_manager.api.gateway.routes import SESSION_PREFIX, forwarded_route, own_route
from openwa_manager.api.gateway.session_finder import SessionFinder
from openwa_manager.api.gateway.session_records import is_loaded
from openwa_manager.api.routing import Route
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.errors import EngineError, OpenwaManagerError
from openwa_manager.domain.session.session import ProcessState, Session, SessionId
from openwa_manager.engines.http.forwarding import ForwardedRequest
from openwa_manager.engines.openwa import OpenwaEngine
from openwa_manager.services.messaging.sending.turns import Turn
from openwa_manager.services.monitoring.data_inspector import DataInspector
from openwa_manager.services.sessions.engine_inbox import EngineInbox

#: How many large bodies of the guide's are in memory at once; all others are handed on as they come.
_LARGE_AT_ONCE = 2
_JSON = "application/json"
_SENDS = frozenset({"reply", "forward"})


@dataclass(frozen=True, slots=True)
class Destination:
    """A path below a session: its raw text from the slash on, its words as OpenWA's router reads them, its query.

    OpenWA's router ignores case and a slash at the end, and so do `words`.
    """

    name: str
    tail: str
    words: tuple[str, ...]
    query: str

    @classmethod
    def of(cls, request: web.Request) -> "Destination":
        """Return where the request leads.

        Raises:
            GatewayError: the path has `.` or `..` in it, and so may lead out of the session.
        """
        _, _, _, name, tail = request.rel_url.raw_path.split("/", 4)
        words = tuple(unquote(part).lower() for part in tail.split("/") if part)
        if "." in words or ".." in words:
            raise GatewayError(404, f"Cannot {request.method} {request.path}")
        return cls(unquote(name), f"/{tail}", words, request.rel_url.raw_query_string)

    def is_send(self, method: str) -> bool:
        """Tell whether this sends messages."""
        if method != "POST" or len(self.words) != 2 or self.words[0] != "messages":
            return False
        return self.words[1].startswith("send") or self.words[1] in _SENDS

    def target(self, inner_id: str) -> str:
        """Return path and query at an OpenWA that knows the session by this id."""
        query = f"?{self.query}" if self.query else ""
        return f"/api/sessions/{inner_id}{self.tail}{query}"

    def of_message(self, said: guide.Translation) -> "Destination":
        """Return where a message of the guide's goes instead."""
        return Destination(self.name, f"/messages/{said.route}", ("messages", said.route), self.query)

    @property
    def path(self) -> tuple[str, ...]:
        """Return the parts of the tail as they came."""
        return tuple(part for part in self.tail.split("/") if part)


class SearchDestination(Destination):
    """A search in the messages of one session; `query` is the rest of its query."""

    @classmethod
    def of(cls, request: web.Request) -> "SearchDestination":
        """Return where the search leads.

        Raises:
            GatewayError: it names no session.
        """
        name = request.query.get("sessionId", "")
        if not name:
            raise GatewayError(400, ["sessionId should not be empty: every session here has an OpenWA of its own"])
        rest = request.rel_url.without_query_params("sessionId").raw_query_string
        return cls(name, "/search", ("search",), rest)

    def target(self, inner_id: str) -> str:
        """Return path and query at an OpenWA that knows the session by this id."""
        rest = f"&{self.query}" if self.query else ""
        return f"/api/search?sessionId={inner_id}{rest}"


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
    """Hands requests on; `engines` are those that speak OpenWA's API, by the name sessions know them by.

    A send waits for its `turn`. `kept` answers what is known while no engine runs; of the rest `media` may refuse what
    an engine would fetch. `large_bodies` of the guide's are in memory.
    """

    inbox: EngineInbox
    finder: SessionFinder
    engines: Mapping[str, OpenwaEngine]
    turn: Callable[[SessionId], AbstractAsyncContextManager[Turn]]
    inspector: DataInspector
    kept: Sequence[Kept]
    media: MediaGuard
    large_bodies: asyncio.Semaphore = field(init=False, default_factory=partial(asyncio.Semaphore, _LARGE_AT_ONCE))

    def table(self) -> tuple[Route, ...]:
        """Return the routes; the last one takes what OpenWA may have beside those we know of."""
        guide_send = own_route(f"POST {SESSION_PREFIX}messages/{guide.ANY_SEND}", Role.SENDER, self.send_of_guide, {})
        known = [forwarded_route(where, role, self.forward) for role, lines in FORWARDED.items() for where in lines]
        return (guide_send, *known, forwarded_route("* {rest:.+}", Role.OPERATOR, self.forward))

    async def send_of_guide(self, request: web.Request) -> web.StreamResponse:
        """Send a text `{to, text}` or an image `{to, url, caption}`, as the users' guide words them."""
        return await self.forward(request)

    async def forward(self, request: web.Request, read_body: bytes | None = None) -> web.StreamResponse:
        """Hand the request to its session's engine, and the engine's answer back; a send waits for its turn.

        `read_body` is the body if it has been read already.
        """
        where = Destination.of(request)
        kept = next((each for each in self.kept if each.has(where.words)), None)
        if kept is not None and (resting := self._resting(where.name)) is not None:
            return await kept.answer_stopped(request, resting, where.path)
        session = self._find(where)
        session_id = session.session_id
        self.inbox.note_traffic(session_id)
        body = read_body or await payload_of(request)
        if kept is not None:
            return await kept.forward(request, session, where.path, body, self._asking(request, where))
        if isinstance(body, Upload):
            body.inspection = self.media.inspection(request.content_type, request.headers.get("Content-Type", ""))
        if where.is_send(request.method):
            return await self._send(request, where, session_id, body)
        await self._require_public_media(request, body)
        async with await self._ask(request, where, body) as answer:
            return await answer.relay(request)

    async def search(self, request: web.Request) -> web.StreamResponse:
        """Search the messages of the session that `sessionId` names."""
        where = SearchDestination.of(request)
        self.inbox.note_traffic(self._find(where).session_id)
        async with await self._ask(request, where, None) as answer:
            return await answer.relay(request)

    def _resting(self, name: str) -> Session | None:
        """Return the session if its OpenWA cannot be asked now; None when it can, or is none."""
        session = self.finder.find(name)
        is_asked = session.process is ProcessState.RUNNING or session.spec.engine not in self.engines
        return None if is_asked else session

    def _find(self, where: Destination) -> Session:
        """Return the session, which must be able to answer."""
        try:
            session = self.finder.find(where.name)
        except GatewayError as error:
            raise (not_active(where.name) if where.words[:1] == ("messages",) else error) from None
        if session.process is not ProcessState.RUNNING:
            raise not_connected() if is_loaded(session) else not_active(where.name)
        if session.spec.engine not in self.engines:
            raise GatewayError(501, f"the engine {session.spec.engine!r} of this session does not speak OpenWA's API")
        return session

    async def _send(
        self, request: web.Request, where: Destination, session_id: SessionId, body: bytes | Upload | None
    ) -> web.StreamResponse:
        said: guide.Translation | None = None
        sent: Payload = body
        is_guides = guide.may_be_guide(where.words)
        if is_guides and not isinstance(body, Upload):
            said = guide.translate(where.words[1], body or b"", request.content_type)
        if not await self.inspector.before_send(session_id):
            raise not_connected()
        async with self.turn(session_id) as turn, AsyncExitStack() as stack:
            if is_guides and isinstance(body, Upload):
                await stack.enter_async_context(self.large_bodies)
                said, sent = await self._read_large(turn, request, where, body)
            answer = await stack.enter_async_context(
                await self._ask_in_turn(turn, request, where.of_message(said) if said else where, said or sent)
            )
            if said is None or answer.status >= 300:
                return await answer.relay(request)
            return answer.with_body(guide.queued(await answer.read()))

    async def _read_large(
        self, turn: Turn, request: web.Request, where: Destination, body: Upload
    ) -> tuple[guide.Translation | None, Pieces]:
        """Return a large body, which is only read now that it is to be sent, and the guide's message in it."""
        try:
            raw = await body.read()
            said = await asyncio.to_thread(guide.translate, where.words[1], raw, request.content_type)
        except OpenwaManagerError:
            turn.was_used = False
            raise
        return said, Pieces([memoryview(raw)])

    async def _ask_in_turn(
        self, turn: Turn, request: web.Request, where: Destination, body: Payload | guide.Translation
    ) -> EngineAnswer:
        """Return the engine's answer to a send, to be released; one that was surely not sent gives its turn back."""
        try:
            await self._require_public_media(request, body)
            answer = await self._ask(request, where, body)
        except (GatewayError, TooLargeError):  # nobody was asked, or not to the end
            turn.was_used = False
            raise
        turn.was_used = not answer.is_refusal
        return answer

    async def _require_public_media(self, request: web.Request, said: Payload | guide.Translation) -> None:
        """Return if the engine may fetch what a small body names; a large one is looked at as it passes.

        Raises:
            GatewayError: it may not.
        """
        is_guides = isinstance(said, guide.Translation)
        body = said.body if isinstance(said, guide.Translation) else said
        if not isinstance(body, bytes):
            return
        header = _JSON if is_guides else request.headers.get("Content-Type", "")
        inspection = self.media.inspection(_JSON if is_guides else request.content_type, header)
        inspection.feed(body)
        await inspection.finish()

    def _asking(self, request: web.Request, where: Destination) -> Ask:
        """Return what asks the session's engine beside handing the request on; the query goes with the latter alone."""

        async def ask(method: str, tail: str, body: Payload) -> EngineAnswer:
            is_handed_on = method == request.method and tail.strip("/").lower() == where.tail.strip("/").lower()
            there = replace(where, tail=tail, query=where.query if is_handed_on else "")
            return await self._ask(request, there, body, method=method)

        return ask

    async def _ask(
        self,
        request: web.Request,
        where: Destination,
        said: Payload | guide.Translation,
        method: str | None = None,
    ) -> EngineAnswer:
        """Return the engine's answer, to be released; it is looked up only now whether there still is an engine."""
        session = self._find(where)
        launch, inner_id = session.launch, session.inner_id
        if launch is None or inner_id is None:
            raise not_connected()
        forwarder = await self.engines[session.spec.engine].forwarder(session, launch)
        body = said.body if isinstance(said, guide.Translation) else said
        headers = headers_for_engine(request, body)
        if isinstance(said, guide.Translation | JsonBytes):
            headers["Content-Type"] = "application/json"
        forwarded = ForwardedRequest(
            method=method or request.method, target=where.target(inner_id), headers=headers, body=body
        )
        names = Names(inner_id.encode(), session.session_id.encode())
        try:
            return EngineAnswer(await forwarder.forward(forwarded), names)
        except EngineError:
            if isinstance(body, Upload):
                body.require_sound()
            raise
