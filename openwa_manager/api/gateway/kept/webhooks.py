"""The webhooks that users keep at their sessions' engines: the engine posts to us, and we to the user.

An engine that posted itself would name the session by an id no list of ours shows, could be sent to any host its guard
does not know, and would have to run for a webhook to be taken away. So it gets an address of ours in place of the
user's, and a secret of ours; it keeps its filters, its retries and its memory of what it could not post.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from urllib.parse import unquote

from aiohttp import web

from openwa_manager.api.admission.rights import caller_of
from openwa_manager.api.bodies.uploads import Payload, payload_of
from openwa_manager.api.gateway.errors import MEDIA_TYPE, GatewayError, json_answer
from openwa_manager.api.gateway.kept.asking import Ask, ChangeTeller, encoded, parsed, require
from openwa_manager.api.gateway.kept.fields import WebhookChange, WebhookIn, not_running
from openwa_manager.api.gateway.kept.resting_webhooks import (
    RestingWebhooks,
    is_untold,
    secret_of,
    shown_of_all,
    with_address,
)
from openwa_manager.api.gateway.kept.webhook_fields import WebhookFields
from openwa_manager.api.gateway.relay import EngineAnswer
from openwa_manager.api.lists.pages import Listing, answer_list
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.delivery.user_webhooks import UserWebhook
from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.domain.times import iso8601
from openwa_manager.engines.environment import is_own_webhook, relay_token
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery.user_webhooks import remove_webhooks, save_webhooks, webhooks_of
from openwa_manager.webhooks.address import AddressGuard

Hook = Mapping[str, Json]

_WORD = "webhooks"
_PAGE_MAX = 1000
#: More webhooks of one session, or a longer record of one, no OpenWA has (WEBHOOK_MAX_PER_SESSION is 16 unless set).
_PER_SESSION_MAX = 100
_RECORD_MAX_BYTES = 16 * 1024


class UserWebhooks:
    """The calls about webhooks; ours is hidden. `now` is wall time."""

    def __init__(self, database: Database, guard: AddressGuard, teller: ChangeTeller, now: Callable[[], float]) -> None:
        self._database = database
        self._fields = WebhookFields(guard)
        self._teller = teller
        self._now = now

    @staticmethod
    def has(words: Sequence[str]) -> bool:
        """Tell whether a path below a session is about what is kept here."""
        return bool(words) and words[0] == _WORD

    async def list_webhooks(self, request: web.Request) -> web.StreamResponse:
        """List the webhooks of the caller's sessions, newest first."""
        scope = caller_of(request).scope
        limit, offset = (_number(request, name) for name in ("limit", "offset"))
        page: Listing[UserWebhook] = Listing(
            name=None,
            encode=lambda each: encoded(dict(each.record)),
            limit=min(limit or _PAGE_MAX, _PAGE_MAX),
            media_type=MEDIA_TYPE,
        )
        async with aclosing(shown_of_all(self._database, scope, offset)) as found:
            return await answer_list(request, found, page)

    async def forward(
        self, request: web.Request, session: Session, path: tuple[str, ...], body: Payload, ask: Ask
    ) -> web.StreamResponse:
        """Hand a call on; `path` is its words below the session."""
        session_id = session.session_id
        calls = _EngineWebhooks(self._database, session_id, ask, partial(self._teller.relay_url, session))
        untold = await self._untold(session)
        if path[1:] and (kept := untold.get(unquote(path[1]))) is not None:
            return await self._answer_kept(request, session, kept, path[2:], body)
        match _read_as(request.method), path[1:]:
            case "GET", ():
                return await calls.list_all([*untold.values()], is_page=bool(request.query_string))
            case "POST", ():
                return await calls.create(await self._checked(request, body))
            case _, (hook_id, *_):
                return await self._forward_one(request, path, body, calls, await calls.find(hook_id))
        return await calls.pass_on(request, path, body)

    async def _forward_one(
        self, request: web.Request, path: tuple[str, ...], body: Payload, calls: "_EngineWebhooks", hook: Hook
    ) -> web.StreamResponse:
        match _read_as(request.method), path[2:]:
            case "GET", ():
                return json_answer(200, dict(calls.shown(hook)))
            case "PUT", ():
                return await calls.change(hook, await self._checked(request, body, hook))
            case "DELETE", ():
                return await calls.remove(request, hook)
        return await calls.pass_on(request, (path[0], _id_of(hook), *path[2:]), body)

    async def answer_stopped(self, request: web.Request, session: Session, path: tuple[str, ...]) -> web.StreamResponse:
        """Answer from what is known; a webhook that is made or changed is told to the engine when it comes up.

        Raises:
            GatewayError: OpenWA would refuse it, or there is no such webhook.
        """
        known = await RestingWebhooks(self._database, session).load()
        match _read_as(request.method), path[1:]:
            case "GET", ():
                return json_answer(200, [dict(each.record) for each in known])
            case "POST", ():
                fields = await self._checked(request, await payload_of(request))
                require(fields, WebhookIn)
                answer = await RestingWebhooks(self._database, session).create(fields, iso8601(self._now()))
                await self._teller.tell(session.session_id)
                return answer
            case _, (hook_id, *rest):
                found = next((each for each in known if each.shown_id == unquote(hook_id)), None)
                if found is None:
                    raise _unknown(hook_id)
                return await self._answer_kept(request, session, found, tuple(rest), None)
        raise GatewayError(404, f"Cannot {request.method} {request.path}")

    async def _answer_kept(
        self, request: web.Request, session: Session, webhook: UserWebhook, rest: tuple[str, ...], body: Payload
    ) -> web.StreamResponse:
        """Answer a call about a webhook of which the engine does not know, or not all; `body` None is still to be read.

        Raises:
            GatewayError: only the engine could do it.
        """
        resting = RestingWebhooks(self._database, session)
        match _read_as(request.method), rest:
            case "GET", ():
                return json_answer(200, dict(webhook.record))
            case "PUT", ():
                sent = await payload_of(request) if body is None else body
                fields = await self._checked(request, sent, webhook.record)
                require(fields, WebhookChange)
                answer = await resting.change(webhook, fields, iso8601(self._now()))
                await self._teller.tell(session.session_id)
                return answer
            case "DELETE", ():
                gone = await resting.remove(webhook)
                await self._teller.tell(session.session_id)
                return gone
        raise not_running("A webhook can be tested")

    async def _checked(self, request: web.Request, body: Payload, before: Hook | None = None) -> dict[str, Json]:
        return await self._fields.checked(caller_of(request), body, request.content_type, before)

    async def _untold(self, session: Session) -> dict[str, UserWebhook]:
        """Return, by their ids, the webhooks that the engine still does not have, after telling it once more."""
        resting = RestingWebhooks(self._database, session)
        if any(each.pending is not None for each in await resting.load()):
            await self._teller.tell(session.session_id)
        return {str(each.shown_id): each for each in await resting.load() if is_untold(each)}


class _EngineWebhooks:
    """The webhooks of one session at its running engine."""

    def __init__(self, database: Database, session_id: SessionId, ask: Ask, relay_url: Callable[[str], str]) -> None:
        self._database = database
        self._session_id = session_id
        self._ask = ask
        self._relay_url = relay_url
        self._known: list[UserWebhook] = []

    async def list_all(self, untold: Sequence[UserWebhook], *, is_page: bool) -> web.Response:
        """List them, and remember what the engine has; `is_page` means that the engine may have more.

        Those `untold` it refused to take: they are listed, for they can be changed and taken away, but are not active.
        """
        async with await self._ask("GET", f"/{_WORD}", None) as answer:
            raw = await answer.read()
        hooks = parsed(raw)
        if answer.status != 200 or not isinstance(hooks, list):
            return answer.with_body(raw)
        if len(hooks) > _PER_SESSION_MAX:
            raise EngineError(f"the engine lists {len(hooks)} webhooks, which no OpenWA has")
        await self._load()
        found = [hook for hook in hooks if isinstance(hook, dict) and not self._is_ours(hook)]
        await self._end_deleted(found)
        theirs = [hook for hook in found if not self._match(hook).is_deleted]
        await self._remember(theirs, None if is_page else {_id_of(hook) for hook in found})
        refused = [] if is_page else [{**each.record, "active": False} for each in untold]
        return answer.with_body(encoded([*refused, *(dict(self.shown(hook)) for hook in theirs)]))

    async def create(self, fields: dict[str, Json]) -> web.Response:
        """Make one. It is recorded before the engine has it, so that its first post is known.

        Raises:
            GatewayError: there are too many.
        """
        await self._make_room()
        made = UserWebhook(
            token=secrets.token_hex(16),
            session_id=self._session_id,
            url=str(fields.get("url")),
            secret=secret_of(fields),
            relay_secret=secrets.token_urlsafe(32),
        )
        await self._save([made])
        try:
            answer, raw = await self._call("POST", f"/{_WORD}", self._with_ours(fields, made))
        except GatewayError:  # nobody was asked
            await self._forget([made])
            raise
        return await self._settle(answer, raw, made)

    async def _make_room(self) -> None:
        await self._load()
        if len(self._known) < _PER_SESSION_MAX:
            return
        await self._forget([each for each in self._known if each.shown_id is None])  # the engine never took them
        if sum(each.shown_id is not None for each in self._known) >= _PER_SESSION_MAX:
            raise GatewayError(400, f"a session has at most {_PER_SESSION_MAX} webhooks")

    async def find(self, hook_id: str) -> Hook:
        """Return one as the engine has it.

        Raises:
            GatewayError: there is none that a user may see.
        """
        await self._load()
        known = next((each for each in self._known if each.shown_id == unquote(hook_id)), None)
        engines_id = known.webhook_id if known is not None and known.webhook_id is not None else hook_id
        async with await self._ask("GET", f"/{_WORD}/{engines_id}", None) as answer:
            hook = parsed(await answer.read())
        if answer.status != 200 or not isinstance(hook, dict) or self._is_ours(hook) or self._match(hook).is_deleted:
            raise _unknown(hook_id)
        return hook

    def shown(self, hook: Hook) -> Hook:
        """Return one as its user knows it."""
        known = self._match(hook)
        return {**hook, "id": known.shown_id, "url": known.url}

    async def change(self, hook: Hook, fields: dict[str, Json]) -> web.Response:
        """Change one; what an engine posts itself, it goes on posting itself until it is made anew."""
        known = self._match(hook)
        changed = with_address(known, fields)
        answer, raw = await self._call("PUT", f"/{_WORD}/{_id_of(hook)}", self._with_ours(fields, changed))
        return await self._settle(answer, raw, changed, known)

    async def remove(self, request: web.Request, hook: Hook) -> web.StreamResponse:
        """Take one away."""
        async with await self._ask("DELETE", f"/{_WORD}/{_id_of(hook)}", None) as answer:
            if answer.status in (204, 404):
                await self._forget([self._match(hook)])
            return await answer.relay(request)

    async def pass_on(self, request: web.Request, path: tuple[str, ...], body: Payload) -> web.StreamResponse:
        """Hand on what is none of these."""
        async with await self._ask(request.method, "/" + "/".join(path), body) as answer:
            return await answer.relay(request)

    async def _settle(
        self, answer: EngineAnswer, raw: bytes, webhook: UserWebhook, before: UserWebhook | None = None
    ) -> web.Response:
        """Record what came of a change, and answer it; `before` None means that the webhook is new."""
        hook = parsed(raw)
        if answer.status >= 300 or not isinstance(hook, dict):
            if before is None and answer.status < 500:
                await self._forget([webhook])
            return answer.with_body(raw)
        shown = {**hook, "id": webhook.shown_id or _id_of(hook), "url": webhook.url}
        _require_size(shown)
        await self._save([replace(webhook, webhook_id=_id_of(hook), record=shown, pending=None)])
        return answer.with_body(encoded(shown))

    async def _call(self, method: str, path: str, fields: Mapping[str, Json]) -> tuple[EngineAnswer, bytes]:
        async with await self._ask(method, path, encoded(dict(fields))) as answer:
            return answer, await answer.read()

    def _with_ours(self, fields: Mapping[str, Json], webhook: UserWebhook) -> Mapping[str, Json]:
        """Return the fields with our address and our secret in place of the user's; a new one always has a secret."""
        if webhook.relay_secret is None:
            return fields
        is_new = webhook.webhook_id is None
        ours: dict[str, Json] = {"url": self._relay_url(webhook.token), "secret": webhook.relay_secret}
        if not isinstance(fields.get("url"), str):
            del ours["url"]
        if "secret" not in fields and not is_new:
            del ours["secret"]
        return {**fields, **ours}

    def _match(self, hook: Hook) -> UserWebhook:
        """Return what is known of one; one that was made before we stood between is posted by the engine itself."""
        url, hook_id = str(hook.get("url")), _id_of(hook)
        token = relay_token(url, self._session_id)
        known = (each for each in self._known if each.token == token or each.webhook_id == hook_id)
        unknown = UserWebhook(
            token=secrets.token_hex(16), session_id=self._session_id, webhook_id=hook_id, url=url, record=hook
        )
        return next(known, unknown)

    async def _end_deleted(self, hooks: Iterable[Hook]) -> None:
        """Take away at the engine what was deleted while none ran."""
        for hook in hooks:
            if self._match(hook).is_deleted:
                async with await self._ask("DELETE", f"/{_WORD}/{_id_of(hook)}", None):
                    pass

    async def _remember(self, theirs: Iterable[Hook], ids: Collection[str] | None) -> None:
        """Record the webhooks as the engine has them, and forget those not among `ids`; None means that some may be."""
        seen = [replace(self._match(hook), webhook_id=_id_of(hook), record=self.shown(hook)) for hook in theirs]
        gone = [] if ids is None else [each.token for each in self._known if _is_gone(each, ids)]
        changed = [each for each in seen if each not in self._known]
        for each in changed:
            _require_size(each.record)
        if gone or changed:
            await self._database.write(partial(_record, gone=gone, changed=changed))

    async def _load(self) -> None:
        self._known = await self._database.read(partial(webhooks_of, session_id=self._session_id))

    async def _save(self, webhooks: Sequence[UserWebhook]) -> None:
        await self._database.write(partial(save_webhooks, webhooks=webhooks))

    async def _forget(self, webhooks: Sequence[UserWebhook]) -> None:
        await self._database.write(partial(remove_webhooks, tokens=[each.token for each in webhooks]))

    def _is_ours(self, hook: Hook) -> bool:
        return is_own_webhook(str(hook.get("url")), self._session_id)


def _read_as(method: str) -> str:
    return "GET" if method == "HEAD" else method


def _record(connection: Connection, gone: Sequence[str], changed: Sequence[UserWebhook]) -> None:
    remove_webhooks(connection, gone)
    save_webhooks(connection, changed)


def _require_size(record: Hook) -> None:
    """Return if an engine's record of a webhook is no larger than OpenWA's are.

    Raises:
        EngineError: it is.
    """
    if len(encoded(dict(record))) > _RECORD_MAX_BYTES:
        raise EngineError(f"the engine's record of a webhook is longer than {_RECORD_MAX_BYTES} bytes")


def _is_gone(webhook: UserWebhook, ids: Collection[str]) -> bool:
    return webhook.webhook_id is not None and webhook.webhook_id not in ids


def _id_of(hook: Hook) -> str:
    return str(hook.get("id"))


def _unknown(hook_id: str) -> GatewayError:
    return GatewayError(404, f"Webhook with id '{unquote(hook_id)}' not found")


def _number(request: web.Request, name: str) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
