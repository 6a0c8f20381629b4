"""The webhooks of a session whose engine does not run, or has not taken them: kept, and told to it when it comes up."""

import secrets
import uuid
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from functools import partial

from aiohttp import web

from openwa_manager.api.gateway.errors import GatewayError, json_answer
from openwa_manager.domain.access.scopes import SessionScope
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.delivery.user_webhooks import UserWebhook
from openwa_manager.domain.session.session import Session
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery.user_webhooks import list_webhooks, remove_webhooks, save_webhooks, webhooks_of

#: OpenWA's own limit unless WEBHOOK_MAX_PER_SESSION says otherwise; one of them is ours.
_LIMIT, _LIMIT_VARIABLE = 16, "WEBHOOK_MAX_PER_SESSION"
#: What no limit of a session's may exceed.
_LIMIT_MAX = 100
_SHOWN_FIELDS = ("events", "filters", "active", "retryCount")
#: What OpenWA gives a webhook whose fields do not say (webhook.service.ts).
_DEFAULTS: Mapping[str, Json] = {"events": ["message.received"], "filters": None, "active": True, "retryCount": 3}


class RestingWebhooks:
    """One session's webhooks as we know them."""

    def __init__(self, database: Database, session: Session) -> None:
        self._database = database
        self._session = session

    async def load(self) -> list[UserWebhook]:
        """Return those callers may see, newest first."""
        known = await self._database.read(partial(webhooks_of, session_id=self._session.session_id))
        return [each for each in known if is_shown(each)]

    async def create(self, fields: Mapping[str, Json], at: str) -> web.Response:
        """Keep a new one, made at this time; its id is ours and stays.

        Raises:
            GatewayError: there are too many.
        """
        given = {name: value for name, value in fields.items() if value is not None}
        record: dict[str, Json] = {
            "id": str(uuid.uuid4()),
            "sessionId": self._session.session_id,
            "url": given["url"],
            **{name: given.get(name, default) for name, default in _DEFAULTS.items()},
            "lastTriggeredAt": None,
            "createdAt": at,
            "updatedAt": at,
        }
        made = UserWebhook(
            token=secrets.token_hex(16),
            session_id=self._session.session_id,
            url=str(given["url"]),
            secret=secret_of(given),
            relay_secret=secrets.token_urlsafe(32),
            record=record,
            pending=_without_address(given),
        )
        limit = self._limit()
        if not await self._database.write(partial(_add, webhook=made, limit=limit)):
            message = f"Webhook limit reached for this session ({limit}/{limit}); delete one before registering another"
            raise GatewayError(400, message)
        return json_answer(201, record)

    async def change(self, webhook: UserWebhook, fields: Mapping[str, Json], at: str) -> web.Response:
        """Keep a change, made at this time, of what the engine is to have."""
        changed = with_address(webhook, fields)
        shown = {name: fields[name] for name in _SHOWN_FIELDS if name in fields}
        record: dict[str, Json] = {**webhook.record, **shown, "url": changed.url, "updatedAt": at}
        told = dict(fields) if webhook.relay_secret is None else _without_address(fields)
        await self._save(replace(changed, record=record, pending={**(webhook.pending or {}), **told}))
        return json_answer(200, record)

    async def remove(self, webhook: UserWebhook) -> web.Response:
        """Take one away; the engine that has it is told when it comes up."""
        if webhook.webhook_id is None:
            await self._database.write(partial(remove_webhooks, tokens=[webhook.token]))
        else:
            await self._save(replace(webhook, is_deleted=True))
        return web.Response(status=204)

    async def _save(self, webhook: UserWebhook) -> None:
        await self._database.write(partial(save_webhooks, webhooks=[webhook]))

    def _limit(self) -> int:
        text = self._session.spec.env.get(_LIMIT_VARIABLE, "")
        limit = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else _LIMIT
        return min(limit, _LIMIT_MAX) or _LIMIT_MAX


async def shown_of_all(database: Database, scope: SessionScope, offset: int) -> AsyncGenerator[UserWebhook]:
    """Go through the webhooks of these sessions that callers know of, newest first, without the first `offset`."""
    before = None
    while found := await database.read(partial(list_webhooks, before=before)):
        for place, webhook in found:
            before = place
            is_found = is_shown(webhook) and scope.names(webhook.session_id)
            if is_found and (offset := offset - 1) < 0:
                yield webhook


def _add(connection: Connection, webhook: UserWebhook, limit: int) -> bool:
    """Record a new webhook if there is room beside those known and ours; tell whether there was."""
    if sum(map(is_shown, webhooks_of(connection, webhook.session_id))) + 1 >= limit:
        return False
    save_webhooks(connection, [webhook])
    return True


def is_shown(webhook: UserWebhook) -> bool:
    """Tell whether callers know of it."""
    return webhook.shown_id is not None and not webhook.is_deleted


def is_untold(webhook: UserWebhook) -> bool:
    """Tell whether no engine has it yet."""
    return webhook.webhook_id is None and webhook.pending is not None


def secret_of(fields: Mapping[str, Json]) -> str | None:
    """Return what posts are signed with; None for nothing."""
    secret = fields.get("secret")
    return secret if isinstance(secret, str) and secret else None


def with_address(webhook: UserWebhook, fields: Mapping[str, Json]) -> UserWebhook:
    """Return it with the address and the secret that the fields give, if they do."""
    if isinstance(fields.get("url"), str):
        webhook = replace(webhook, url=str(fields["url"]))
    return replace(webhook, secret=secret_of(fields)) if "secret" in fields else webhook


def _without_address(fields: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if name not in ("url", "secret")}
