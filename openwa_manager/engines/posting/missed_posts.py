"""What an adopted engine gave up posting while no daemon listened: posted again where it can, else said to be lost."""

from collections.abc import Sequence

import structlog

from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.session.session import Launch, Session
from openwa_manager.domain.session.stimuli import WebhooksLost
from openwa_manager.engines.environment import is_own_webhook
from openwa_manager.engines.http.client import EngineClient
from openwa_manager.engines.mapping import MissedPost

_log = structlog.get_logger()
#: OpenWA's own limit for one call (docs/openwa.md, Versions).
_AT_ONCE = 500


async def recover(client: EngineClient, session: Session, launch: Launch, inner_id: str) -> WebhooksLost | None:
    """Have posted again what was to go to us; return what stays lost, None when nothing does.

    Raises:
        EngineError: the engine does not tell what it missed.
    """
    missed = await _missed(client, session, inner_id)
    if any(post.replayable for post in missed) and await _post_again(client, inner_id, missed):
        missed = await _missed(client, session, inner_id)
    events = tuple(post.event for post in missed)
    return WebhooksLost(launch_id=launch.launch_id, events=events) if events else None


async def _missed(client: EngineClient, session: Session, inner_id: str) -> Sequence[MissedPost]:
    since_at = (session.last_seen_at or 0.0) - 1  # their time is in whole seconds
    return [
        post
        for post in await client.missed_posts(inner_id)
        if is_own_webhook(post.url, session.session_id) and post.created_at.timestamp() > since_at
    ]


async def _post_again(client: EngineClient, inner_id: str, missed: Sequence[MissedPost]) -> bool:
    """Ask for what can be posted again; tell whether that was done. Each post carries the key it had at first.

    No version is asked for: one that cannot do it calls nothing replayable.
    """
    ids = [post.id for post in missed if post.replayable][:_AT_ONCE]
    try:
        await client.redrive(inner_id, ids)
    except EngineError as error:
        _log.warning("missed_posts_not_redriven", count=len(ids), error=str(error))
        return False
    return True
