"""A session's templates and its configuration: the engine's to keep, and known while it does not run."""

from collections.abc import Mapping
from functools import partial

from aiohttp import web

from openwa_manager.api.admission import rights
from openwa_manager.api.admission.rights import caller_of
from openwa_manager.api.bodies.uploads import Payload
from openwa_manager.api.gateway.errors import GatewayError, json_answer
from openwa_manager.api.gateway.kept.asking import (
    Ask,
    ChangeTeller,
    JsonBytes,
    encoded,
    fields_of,
    parsed,
    require,
    sent_fields,
)
from openwa_manager.api.gateway.kept.fields import CONFIG_DEFAULTS, ConfigChange, not_running
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery.user_webhooks import keep_config, load_changes, load_copy, save_copy

#: What OpenWA answers when there is none: by the first word of the path below a session.
_EMPTY: dict[str, Json] = {"templates": [], "config": dict(CONFIG_DEFAULTS)}
_READS = ("GET", "HEAD")
_CONFIG = "config"


class EngineCopies:
    """Hands calls about templates and configuration on, and keeps a copy of the whole after each."""

    def __init__(self, database: Database, teller: ChangeTeller) -> None:
        self._database = database
        self._teller = teller

    @staticmethod
    def has(words: tuple[str, ...]) -> bool:
        """Tell whether a path below a session is about what is kept here."""
        return bool(words) and words[0] in _EMPTY

    async def forward(
        self, request: web.Request, session: Session, path: tuple[str, ...], body: Payload, ask: Ask
    ) -> web.StreamResponse:
        """Hand a call on; `path` is its words below the session."""
        session_id = session.session_id
        if request.method == "PATCH" and path[0].lower() == _CONFIG:
            body = _plain(caller_of(request), fields_of(body, request.content_type))
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
        """Answer from the copy what can be read there, and keep changes of the configuration for the next launch.

        Raises:
            GatewayError: it is a change of templates, or there is no such template.
        """
        session_id = session.session_id
        name, *rest = path
        if request.method == "PATCH" and name.lower() == _CONFIG and not rest:
            changes = await sent_fields(request)
            _plain(caller_of(request), changes)
            require(changes, ConfigChange)
            return json_answer(200, await self.keep_config(session_id, changes))
        if request.method not in _READS or len(rest) > 1:
            raise not_running(f"The {name.lower()} of a session can be changed")
        kept = await self._database.read(partial(load_copy, session_id=session_id, name=name.lower()))
        whole = _EMPTY[name.lower()] if kept is None else kept
        found = next((each for each in _items(whole) if each.get("id") == rest[0]), None) if rest else whole
        if found is None:
            raise GatewayError(404, f"Template with id '{rest[0]}' not found")
        return json_answer(200, found)

    async def keep_config(self, session_id: SessionId, changes: Mapping[str, Json]) -> Json:
        """Keep changes of the configuration for the next launch, and return what it will be then."""
        whole = await self._database.write(partial(_change_config, session_id=session_id, changes=changes))
        await self._teller.tell(session_id)
        return whole

    async def _read_anew(self, session_id: SessionId, name: str, ask: Ask) -> None:
        try:
            async with await ask("GET", f"/{name}", None) as answer:
                if answer.status == 200:
                    await self._keep(session_id, name, await answer.read())
        except (EngineError, GatewayError):
            return  # the change is made; the next call brings the copy up to date

    async def _keep(self, session_id: SessionId, name: str, raw: bytes) -> None:
        body = parsed(raw)
        if not isinstance(body, type(_EMPTY[name])):
            return
        if name == _CONFIG:  # what was changed last counts, also if something is pending
            await self._database.write(partial(keep_config, session_id=session_id, whole=body, changes=None))
        else:
            await self._database.write(partial(save_copy, session_id=session_id, name=name, body=body))


def _plain(caller: Caller, changes: Mapping[str, Json]) -> JsonBytes:
    """Return changes of the configuration as they are handed on.

    Raises:
        ForbiddenError: there is more than what is known of it, a proxy perhaps, and the caller is no admin.
    """
    if not changes.keys() <= CONFIG_DEFAULTS.keys():
        rights.require(caller, Action.CONFIGURE_SESSION)
    return encoded(dict(changes))


def _change_config(connection: Connection, session_id: SessionId, changes: Mapping[str, Json]) -> Json:
    shown = load_copy(connection, session_id, _CONFIG)
    wanted = {name: CONFIG_DEFAULTS.get(name) if value is None else value for name, value in changes.items()}
    whole: Json = {**CONFIG_DEFAULTS, **(shown if isinstance(shown, dict) else {}), **wanted}
    pending = load_changes(connection, session_id).config or {}
    keep_config(connection, session_id, whole, {**pending, **changes})
    return whole


def _items(whole: Json) -> list[dict[str, Json]]:
    return [each for each in whole if isinstance(each, dict)] if isinstance(whole, list) else []
