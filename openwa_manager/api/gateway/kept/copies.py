"""A session's templates and its configuration: the engine's to keep, and known while it does not run."""

from functools import partial

from aiohttp import web

from openwa_manager.api.bodies.uploads import Payload
from openwa_manager.api.gateway.errors import GatewayError, json_answer, not_active
from openwa_manager.api.gateway.kept.asking import Ask, parsed
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.user_webhooks import load_copy, save_copy

#: What OpenWA answers when there is none: by the first word of the path below a session.
_EMPTY: dict[str, Json] = {"templates": [], "config": {}}
_READS = ("GET", "HEAD")


class EngineCopies:
    """Hands calls about templates and configuration on, and keeps a copy of the whole after each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @staticmethod
    def has(words: tuple[str, ...]) -> bool:
        """Tell whether a path below a session is about what is kept here."""
        return bool(words) and words[0] in _EMPTY

    async def forward(
        self, request: web.Request, session: Session, path: tuple[str, ...], body: Payload, ask: Ask
    ) -> web.StreamResponse:
        """Hand a call on; `path` is its words below the session."""
        session_id = session.session_id
        async with await ask(request.method, "/" + "/".join(path), body) as answer:
            is_whole = request.method == "GET" and len(path) == 1
            if answer.status >= 300 or (request.method in _READS and not is_whole):
                return await answer.relay(request)
            raw = await answer.read()
        if is_whole:
            await self._keep(session_id, path[0].lower(), raw)
        else:
            await self._read_anew(session_id, path[0].lower(), ask)
        return answer.with_body(raw)

    async def answer_stopped(self, request: web.Request, session: Session, path: tuple[str, ...]) -> web.Response:
        """Answer from the copy what can be read there.

        Raises:
            GatewayError: it is a change, or there is no such template.
        """
        session_id = session.session_id
        name, *rest = path
        if request.method not in _READS or len(rest) > 1:
            raise not_active(session_id)
        kept = await self._database.read(partial(load_copy, session_id=session_id, name=name.lower()))
        whole = _EMPTY[name.lower()] if kept is None else kept
        found = next((each for each in _items(whole) if each.get("id") == rest[0]), None) if rest else whole
        if found is None:
            raise GatewayError(404, f"Template with id '{rest[0]}' not found")
        return json_answer(200, found)

    async def _read_anew(self, session_id: SessionId, name: str, ask: Ask) -> None:
        try:
            async with await ask("GET", f"/{name}", None) as answer:
                if answer.status == 200:
                    await self._keep(session_id, name, await answer.read())
        except (EngineError, GatewayError):
            return  # the change is made; the next call brings the copy up to date

    async def _keep(self, session_id: SessionId, name: str, raw: bytes) -> None:
        body = parsed(raw)
        if isinstance(body, type(_EMPTY[name])):
            await self._database.write(partial(save_copy, session_id=session_id, name=name, body=body))


def _items(whole: Json) -> list[dict[str, Json]]:
    return [each for each in whole if isinstance(each, dict)] if isinstance(whole, list) else []
