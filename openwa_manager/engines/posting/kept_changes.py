"""What callers changed while no engine ran, told to the one that has come up, before it starts its session.

An OpenWA that runs all the time takes webhooks and configuration at any time: before the session's first start, or
while it is stopped. Ours then does not run, so what is wanted is kept and told here.
"""

import json
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

import structlog

from openwa_manager.domain import foreign_json
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.delivery.user_webhooks import UserWebhook
from openwa_manager.domain.session.session import Launch, Session, SessionId
from openwa_manager.engines.environment import EngineContext, is_own_webhook, relay_token
from openwa_manager.engines.http.calls import HttpAnswer
from openwa_manager.engines.http.client import EngineClient
from openwa_manager.engines.mapping import InnerWebhook

_log = structlog.get_logger()
RelayUrl = Callable[[str], str]
#: More webhooks of one session, or a longer record of one, no OpenWA has.
_NOTED_MAX, _RECORD_MAX_BYTES = 100, 16 * 1024


async def theirs_at(client: EngineClient, inner_id: str, session_id: SessionId) -> list[InnerWebhook]:
    """Return the webhooks of an engine's users.

    Raises:
        EngineError: it does not tell.
    """
    return [hook for hook in await client.webhooks(inner_id) if not is_own_webhook(hook.url, session_id)]


async def tell(
    client: EngineClient,
    inner_id: str,
    session: Session,
    launch: Launch,
    context: EngineContext,
    theirs: Sequence[InnerWebhook],
) -> None:
    """Tell the engine what is to change; `theirs` are its users' webhooks.

    Those it posts to us are posted to where this launch finds us, those nobody knew of are noted. What it refuses stays
    pending, for a later version may take it.

    Raises:
        EngineError: it does not answer.
    """
    session_id = session.session_id
    changes = await context.changes.load(session_id)
    relay_url = partial(context.relay_url, session_id, launch)
    await _renew(client, inner_id, session_id, theirs, changes.deleted_ids, relay_url)
    known = await context.changes.webhooks(session_id) if theirs else ()
    strays = _strays(session_id, theirs, known)
    for webhook in changes.webhooks:
        hook_id = next((hook.id for hook in theirs if _is_same(hook, webhook, strays)), None)
        strays = [hook for hook in strays if hook.id != hook_id]
        told = await _tell_webhook(client, inner_id, webhook, hook_id, relay_url)
        if told is not None:
            await context.changes.save_webhooks([told])
    if changes.config is not None:
        whole = _told(await client.configure(inner_id, changes.config), session_id, "config")
        if whole is not None:
            await context.changes.save_config(session_id, whole)
    if strays:
        await _note(context, session_id, strays[: max(0, _NOTED_MAX - len(known))])


async def _renew(
    client: EngineClient,
    inner_id: str,
    session_id: SessionId,
    theirs: Sequence[InnerWebhook],
    deleted_ids: Collection[str],
    relay_url: RelayUrl,
) -> None:
    """Take away what was deleted while no engine ran, and have the others posted to where this launch finds us."""
    for hook in theirs:
        token = relay_token(hook.url, session_id)
        if hook.id in deleted_ids:
            await client.delete_webhook(inner_id, hook.id)
        elif token is not None and hook.url != (url := relay_url(token)):
            moved = await client.put_webhook(inner_id, hook.id, {"url": url})
            if moved.status >= 300 and moved.status != 404:
                raise moved.refused()


async def _tell_webhook(
    client: EngineClient, inner_id: str, webhook: UserWebhook, hook_id: str | None, relay_url: RelayUrl
) -> UserWebhook | None:
    """Have the engine make the webhook, or change its own with this id; return it as it is then (None: refused)."""
    session_id = webhook.session_id
    if hook_id is None and webhook.webhook_id is not None:
        return None  # the engine has lost it meanwhile
    fields = dict(webhook.pending or {})
    if webhook.relay_secret is not None:
        fields |= {"url": relay_url(webhook.token), "secret": webhook.relay_secret}
    is_active = fields.pop("active", None) if hook_id is None else None
    hook = _told(await client.put_webhook(inner_id, hook_id, fields), session_id, "webhook")
    if hook is not None and is_active is False:  # a new one is active, whatever is asked for
        hook = _told(await client.put_webhook(inner_id, str(hook.get("id")), {"active": False}), session_id, "webhook")
    if hook is None:
        return None
    found = str(hook.get("id"))
    record = {**hook, "id": webhook.shown_id or found, "url": webhook.url, "sessionId": session_id}
    return replace(webhook, webhook_id=found, record=record, pending=None)


def _strays(session_id: SessionId, theirs: Sequence[InnerWebhook], known: Sequence[UserWebhook]) -> list[InnerWebhook]:
    """Return the webhooks that nobody knows of here: version 0.2 let the engine have them, and it posts them itself."""
    ids = {webhook.webhook_id for webhook in known}
    return [hook for hook in theirs if hook.id not in ids and relay_token(hook.url, session_id) is None]


def _is_same(hook: InnerWebhook, webhook: UserWebhook, strays: Sequence[InnerWebhook]) -> bool:
    """Tell whether the engine has this webhook already.

    A stray with its address is taken over: posting twice is not what the user wants who switched a workflow off and on.
    """
    if hook.id == webhook.webhook_id or relay_token(hook.url, webhook.session_id) == webhook.token:
        return True
    return webhook.webhook_id is None and hook in strays and hook.url == webhook.url


def _told(answer: HttpAnswer, session_id: SessionId, what: str) -> dict[str, Json] | None:
    """Return what the engine shows after a change; None when it refused."""
    try:
        shown = foreign_json.parse(answer.body)
    except ValueError:
        shown = None
    if answer.status < 300 and isinstance(shown, dict) and len(answer.body) <= _RECORD_MAX_BYTES:
        return shown
    _log.warning("kept_change_refused", session_id=session_id, what=what, error=str(answer.refused()))
    return None


async def _note(context: EngineContext, session_id: SessionId, strays: Sequence[InnerWebhook]) -> None:
    """Note webhooks, so that they can be seen and taken away while no engine runs."""
    noted = [
        UserWebhook(
            token=secrets.token_hex(16),
            session_id=session_id,
            webhook_id=hook.id,
            url=hook.url,
            record={**hook.record, "sessionId": session_id},
        )
        for hook in strays
        if len(json.dumps(hook.record)) <= _RECORD_MAX_BYTES
    ]
    await context.changes.save_webhooks(noted)
