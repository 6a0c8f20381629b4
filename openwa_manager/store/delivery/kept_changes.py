"""Tells an engine that has come up what was changed while none ran, and notes what it took."""

from collections.abc import Iterable
from functools import partial

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.delivery.user_webhooks import KeptChanges, UserWebhook
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.user_webhooks import keep_config, load_changes, save_webhooks, webhooks_of


class StoredChanges:
    """What callers changed while no engine ran, in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, session_id: SessionId) -> KeptChanges:
        """Return what a session's engine is to be told."""
        return await self._database.read(partial(load_changes, session_id=session_id))

    async def webhooks(self, session_id: SessionId) -> list[UserWebhook]:
        """Return all webhooks that are known of a session."""
        return await self._database.read(partial(webhooks_of, session_id=session_id))

    async def save_webhooks(self, webhooks: Iterable[UserWebhook]) -> None:
        """Record webhooks as the engine has them now."""
        await self._database.write(partial(save_webhooks, webhooks=tuple(webhooks)))

    async def save_config(self, session_id: SessionId, whole: Json) -> None:
        """Record the configuration as the engine has it now; nothing is pending."""
        await self._database.write(partial(keep_config, session_id=session_id, whole=whole, changes=None))
