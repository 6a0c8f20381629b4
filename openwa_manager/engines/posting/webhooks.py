"""The webhooks of one OpenWA: exactly one of ours, and those of its users, which it posts to us as well."""

from collections.abc import Sequence

from openwa_manager.domain.session.session import Launch, Session
from openwa_manager.engines.environment import EngineContext, is_own_webhook, relay_token
from openwa_manager.engines.http.client import Body, EngineClient
from openwa_manager.engines.mapping import InnerWebhook
from openwa_manager.engines.versions import EVENTS_OF_ALL, WEBHOOK_TRIES


async def set_up_webhooks(
    client: EngineClient, inner_id: str, session: Session, launch: Launch, context: EngineContext
) -> None:
    """Have the engine post everything to us, and what its users want too.

    Raises:
        EngineError: it refused, or did not answer.
    """
    hooks = await client.webhooks(inner_id)
    ours = [hook for hook in hooks if is_own_webhook(hook.url, session.session_id)]
    for duplicate in ours[1:]:
        await client.delete_webhook(inner_id, duplicate.id)
    theirs = [hook for hook in hooks if hook not in ours]
    if theirs:
        await _renew_theirs(client, inner_id, session, launch, theirs, context)
    kept = ours[0].id if ours else None
    body: Body = {
        "url": context.webhook_url(session.session_id, launch),
        "secret": launch.secret,
        "retryCount": WEBHOOK_TRIES,
    }
    answer = await client.put_webhook(inner_id, kept, {**body, "events": ("*",)})
    if answer.status == 400:
        answer = await client.put_webhook(inner_id, kept, {**body, "events": EVENTS_OF_ALL})
    if answer.status >= 300:
        raise answer.refused()


async def _renew_theirs(
    client: EngineClient,
    inner_id: str,
    session: Session,
    launch: Launch,
    theirs: Sequence[InnerWebhook],
    context: EngineContext,
) -> None:
    """Take away what was deleted while no engine ran, and have the others posted to where this launch finds us."""
    session_id = session.session_id
    deleted = await context.deleted_webhooks(session_id)
    for hook in theirs:
        token = relay_token(hook.url, session_id)
        if hook.id in deleted:
            await client.delete_webhook(inner_id, hook.id)
        elif token is not None and hook.url != (url := context.relay_url(session_id, launch, token)):
            await client.move_webhook(inner_id, hook.id, url)
