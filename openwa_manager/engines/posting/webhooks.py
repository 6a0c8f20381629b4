"""The webhooks of one OpenWA: exactly one of ours, and those of its users, which it posts to us as well."""

from urllib.parse import urlsplit

import structlog

from openwa_manager.domain.session.session import Launch, Session
from openwa_manager.engines.environment import EngineContext, is_own_webhook
from openwa_manager.engines.http.calls import Body
from openwa_manager.engines.http.client import EngineClient
from openwa_manager.engines.posting import kept_changes
from openwa_manager.engines.versions import EVENTS_OF_ALL, WEBHOOK_TRIES

_log = structlog.get_logger()

_MOVED_CURE = (
    "intake_listen has changed since this engine was launched, and it can post nowhere else: restart the session"
)


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
    kept = ours[0].id if ours else None
    url = context.webhook_url(session.session_id, launch)
    if ours and launch.socket is not None and _is_moved(ours[0].url, url):
        _log.warning("engine_posts_elsewhere", session_id=session.session_id, cure=_MOVED_CURE)
    body: Body = {
        "url": url,
        "secret": launch.secret,
        "retryCount": WEBHOOK_TRIES,
        **({} if kept is None else {"active": True}),
    }
    answer = await client.put_webhook(inner_id, kept, {**body, "events": ["*"]})
    if answer.status == 400:
        answer = await client.put_webhook(inner_id, kept, {**body, "events": [*EVENTS_OF_ALL]})
    if answer.status >= 300:
        raise answer.refused()
    # After ours, so that whatever callers have kept here takes the place of theirs only, should there be too many.
    theirs = [hook for hook in hooks if hook not in ours]
    await kept_changes.tell(client, inner_id, session, launch, context, theirs)


def _is_moved(former: str, url: str) -> bool:
    """Tell whether the same launch was to post to another port of ours, which is the only one that it can reach."""
    was, is_now = urlsplit(former), urlsplit(url)
    return was.path == is_now.path and was.netloc != is_now.netloc
