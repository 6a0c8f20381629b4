"""Cancels what an opt-out leaves waiting, a slice at a time, and has each one counted as a change of messages."""

import asyncio
from collections.abc import Sequence

import structlog

from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.domain.errors import StorageFullError
from openwa_manager.domain.messaging.messages import UserKey, user_key_of
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging.people.received import finish_opt_out

_log = structlog.get_logger()

_AFTER_TROUBLE_S = 30.0
_OptOut = tuple[SessionId, UserKey, str]


class OptOuts:
    """Does what the transaction that records an opt-out has no time for."""

    def __init__(self, records: MessageRecords, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._waiting: asyncio.Queue[_OptOut] = asyncio.Queue()

    def note(self, stored: Sequence[StoredEvent]) -> None:
        """Take note of who has opted out."""
        for each in stored:
            event, chat_id = each.event, each.event.data.get("from")
            if event.type == "contact.opted_out" and event.session_id is not None and isinstance(chat_id, str):
                user_key = user_key_of(event.session_id, event.user_id)
                self._waiting.put_nowait((event.session_id, user_key, chat_id))

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            opted_out = await self._waiting.get()
            try:
                await self._finish(*opted_out)
            except StorageFullError:
                self._waiting.put_nowait(opted_out)
                await self._clock.sleep_until(self._clock.now().boot_s + _AFTER_TROUBLE_S)
            except Exception:  # noqa: BLE001 (nobody is written to who is on the list; the others must be heard)
                _log.exception("opt_out_not_finished", session_id=opted_out[0])

    async def _finish(self, session_id: SessionId, user_key: UserKey, chat_id: str) -> None:
        def write(connection: Connection) -> tuple[int, Sequence[Event]]:
            at = self._clock.now().at
            events = finish_opt_out(connection, session_id=session_id, user_key=user_key, chat_id=chat_id, at=at)
            return len(events), events

        while await self._records.tell(write):
            pass
