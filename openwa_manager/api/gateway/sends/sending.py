"""Takes a send through its session's queue: its turn, its row on disk, the engine, what came of it, the answer.

Theory. From its turn on a send is a task of its own, so that a caller who hangs up misses no more than the answer. The
row is written before the last byte of the request leaves: a small body is read first, and of a large one, which is
handed on as it comes, the last part is held back until it is known whom all of it is for. So a recipient who wants no
messages, a used-up quota or a full disk stop any send, and an engine has nothing that it could act upon.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from aiohttp import web

from openwa_manager.api.bodies.readings import readings_of
from openwa_manager.api.bodies.uploads import Payload, Pieces, Upload
from openwa_manager.api.gateway.errors import MEDIA_TYPE, not_connected
from openwa_manager.api.gateway.lines import Destination
from openwa_manager.api.gateway.media.guard import Inspection, MediaGuard
from openwa_manager.api.gateway.relay import EngineAnswer
from openwa_manager.api.gateway.sends import guide
from openwa_manager.api.gateway.sends.drafts import body_hash, draft_of, key_of, small_draft, takes_key
from openwa_manager.api.gateway.sends.quotes import may_quote, require_no_quote
from openwa_manager.domain.errors import EngineError, EngineNotReachedError, OpenwaManagerError
from openwa_manager.domain.messaging.outcomes import NoAnswer, NotReached, SendAnswer
from openwa_manager.domain.session.session import Session
from openwa_manager.engines.http.messaging import answer_of
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.services.messaging.gateway.keys import AnsweredBeforeError, KeyedRequest, Reply
from openwa_manager.services.messaging.gateway.sends import (
    Begun,
    GatewayDraft,
    GatewaySends,
    PlannedSend,
    SendRequest,
    was_used,
)
from openwa_manager.services.messaging.sending.turns import Turn
from openwa_manager.services.monitoring.data_inspector import DataInspector
from openwa_manager.store.messaging.idempotency import Key, KeyScope

#: How many large bodies of the guide's are in memory at once; all others are handed on as they come.
_LARGE_AT_ONCE = 2
_JSON = "application/json"


class Leave(Protocol):
    """Hands a request on, and returns the engine's answer, to be released."""

    async def __call__(
        self, request: web.Request, where: Destination, said: Payload | guide.Translation, *, key: str | None
    ) -> EngineAnswer:
        """Return the answer; the engine knows the request by `key`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sending:
    """Sends for callers; `find` returns a session that can answer, `large_bodies` of the guide's are in memory."""

    sends: GatewaySends
    inspector: DataInspector
    media: MediaGuard
    background: BackgroundTasks
    find: Callable[[Destination], Session]
    leave: Leave
    large_bodies: asyncio.Semaphore = field(init=False, default_factory=partial(asyncio.Semaphore, _LARGE_AT_ONCE))

    async def send(
        self, request: web.Request, where: Destination, session: Session, body: bytes | Upload | None
    ) -> web.StreamResponse:
        """Return the engine's answer to a send; the same again under the same key."""
        try:
            return await self._send(request, where, session, body)
        except AnsweredBeforeError as before:
            return web.Response(status=before.http_status, body=before.body, headers={"Content-Type": MEDIA_TYPE})

    async def _send(
        self, request: web.Request, where: Destination, session: Session, body: bytes | Upload | None
    ) -> web.StreamResponse:
        one = _Send(self, request, where, session, body)
        one.translate()
        if not await self.inspector.before_send(session.session_id):
            raise not_connected()
        async with AsyncExitStack() as stack:
            if await one.has_known_key():  # whether it is the same again is known only once all of it is there
                await one.read(stack)
            is_first_contact = await self.sends.look_ahead(one.wanted)
            turn = await stack.enter_async_context(self.sends.turn(session, is_first_contact=is_first_contact))
            return await self.background.finish(partial(one.run, turn, stack.pop_all()))


class _Send:
    """One send, from its body to its answer."""

    def __init__(
        self, means: Sending, request: web.Request, where: Destination, session: Session, body: bytes | Upload | None
    ) -> None:
        self._means = means
        self._request = request
        self._where = where
        self._body: Payload | guide.Translation = body
        key = key_of(request)
        self._key = None if key is None else Key(session_id=session.session_id, scope=KeyScope.GATEWAY, value=key)
        self._hash = body_hash(where.words[1])
        self.wanted = SendRequest(session=session, draft=GatewayDraft())
        self._planned: PlannedSend | None = None
        self._begun: Begun | None = None
        self._writing = asyncio.Lock()

    @property
    def _may_quote(self) -> bool:
        return may_quote(self._where.caller)

    @property
    def _is_guides(self) -> bool:
        return isinstance(self._body, guide.Translation)

    def translate(self) -> None:
        """Read a small body, and put a message of the guide's into OpenWA's words.

        Raises:
            ForbiddenError: it quotes a message, and the caller may not see chats.
            GatewayError: it names nobody who could be written to, or is no message at all.
        """
        body = self._body
        if isinstance(body, Upload):
            return
        raw = body if isinstance(body, bytes) else b""
        if not self._may_quote:
            require_no_quote(self._where.caller, readings_of(raw, self._request.content_type))
        self._hash.update(raw)
        if guide.may_be_guide(self._where.words):
            said = guide.translate(self._where.words[1], raw, self._request.content_type)
            if said is not None:
                self._take(said)
        small = self._body.body if isinstance(self._body, guide.Translation) else raw
        content_type = _JSON if self._is_guides else self._request.content_type
        draft = small_draft(self._where.words[1], small if isinstance(small, bytes) else b"", content_type)
        self._want(draft)

    async def has_known_key(self) -> bool:
        """Tell whether a large body comes under a key that is known."""
        return isinstance(self._body, Upload) and self._key is not None and await self._means.sends.knows(self._key)

    async def read(self, held: AsyncExitStack) -> None:
        """Read a large body, which may be the guide's; it may be in memory as long as `held` lasts.

        Raises:
            OpenwaManagerError: it is none that may be handed on.
        """
        body = self._body
        if not isinstance(body, Upload):
            return
        await held.enter_async_context(self._means.large_bodies)
        inspection = self._inspection()
        body.inspection = _Watch(inspection, self._hash, None)
        raw = await body.read()
        await self._require_no_quote(inspection)
        self._body = Pieces([memoryview(raw)])
        if guide.may_be_guide(self._where.words):
            route, content_type = self._where.words[1], self._request.content_type
            said = await asyncio.to_thread(guide.translate, route, raw, content_type)
            if said is not None:
                self._take(said)
        self._want(draft_of(self._where.words[1], await inspection.fields()))

    def _take(self, said: guide.Translation) -> None:
        self._body, self._where = said, self._where.of_message(said)

    def _want(self, draft: GatewayDraft) -> None:
        """Note what is wanted, now that the whole body is known."""
        asked = None if self._key is None else KeyedRequest(key=self._key, body_sha256=self._hash.hexdigest())
        self.wanted = SendRequest(session=self.wanted.session, draft=draft, asked=asked)

    async def run(self, turn: Turn, taken: AsyncExitStack) -> web.StreamResponse:
        """Send in this turn, which ends with it, and return what the caller hears."""
        async with taken:
            turn.was_used = False
            try:
                answer = await self._ask(taken)
            except EngineNotReachedError as error:
                await self._end(turn, NotReached(detail=str(error)))
                raise
            except EngineError as error:
                await self._end(turn, NoAnswer(detail=str(error)))
                raise
            except OpenwaManagerError as error:
                await self._end(turn, NotReached(detail=str(error)))
                raise
            async with answer:
                return await self._conclude(turn, answer)

    async def _ask(self, taken: AsyncExitStack) -> EngineAnswer:
        """Return the engine's answer to the request, which is on disk before it has left whole."""
        means = self._means
        if guide.may_be_guide(self._where.words):
            await self.read(taken)
        body = self._body
        if isinstance(body, Upload):
            body.inspection = _Watch(self._inspection(), self._hash, self._begin_large)
        else:
            await self._require_public_media()
        session = means.find(self._where)
        route = self._where.words[1]
        self._planned = planned = await means.sends.prepare(session, keyed=takes_key(route))
        if not isinstance(body, Upload):
            await self._begin()
        return await means.leave(self._request, self._where, self._body, key=planned.attempt.key)

    async def _conclude(self, turn: Turn, answer: EngineAnswer) -> web.StreamResponse:
        """Record what the answer proves, and return it as the caller gets it."""
        if self._begun is None:  # the engine did not wait for the end of the body
            await self._begin()
        try:
            raw = await answer.read()
        except EngineError:
            await self._end(turn, answer_of(answer.response, None))
            raise
        is_sent = answer.status < 300
        shown = guide.queued(raw) if self._is_guides and is_sent else raw
        await self._end(turn, answer_of(answer.response, raw), Reply(http_status=answer.status, body=shown))
        return answer.with_body(shown)

    async def _begin(self) -> None:
        async with self._writing:
            if self._begun is None and self._planned is not None:
                self._begun = await self._means.sends.begin(self.wanted, self._planned)

    async def _begin_large(self, inspection: Inspection) -> None:
        """Begin a send whose body has come whole, but has not left whole."""
        await self._require_no_quote(inspection)
        self._want(draft_of(self._where.words[1], await inspection.fields()))
        await self._begin()

    async def _end(self, turn: Turn, answer: SendAnswer, reply: Reply | None = None) -> None:
        if self._begun is None:
            return
        turn.is_first_contact = self._begun.message.recipient.is_first_contact
        turn.was_used = True  # as long as it is not known
        turn.verdict = await self._means.sends.end(self._begun, answer, reply)
        turn.was_used = was_used(turn.verdict)

    async def _require_no_quote(self, inspection: Inspection) -> None:
        if not self._may_quote:
            require_no_quote(self._where.caller, await inspection.readings())

    def _inspection(self) -> Inspection:
        if self._is_guides:
            return self._means.media.inspection(_JSON, _JSON)
        return self._means.media.inspection(self._request.content_type, self._request.headers.get("Content-Type", ""))

    async def _require_public_media(self) -> None:
        """Return if the engine may fetch what a small body names.

        Raises:
            GatewayError: it may not.
        """
        body = self._body.body if isinstance(self._body, guide.Translation) else self._body
        if isinstance(body, bytes):
            inspection = self._inspection()
            inspection.feed(body)
            await inspection.finish()


class _Watch:
    """Looks at a large body as it passes: hashes it, inspects it, and tells `on_whole` before its last part leaves."""

    def __init__(
        self, inspection: Inspection, digest: "Digest", on_whole: Callable[[Inspection], Awaitable[None]] | None
    ) -> None:
        self._inspection = inspection
        self._digest = digest
        self._on_whole = on_whole

    def feed(self, chunk: bytes) -> None:
        """Take what comes next."""
        self._inspection.feed(chunk)
        self._digest.update(chunk)

    async def finish(self) -> None:
        """Return if the whole body may be handed on.

        Raises:
            OpenwaManagerError: it may not.
        """
        await self._inspection.finish()
        if self._on_whole is not None:
            await self._on_whole(self._inspection)


class Digest(Protocol):
    """A hash that is being made."""

    def update(self, data: bytes, /) -> None:
        """Take what comes next."""
        ...
