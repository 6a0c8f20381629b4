"""Learns from an engine's list of chats, once a number is linked, whom that number knows already."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice

import structlog

from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.domain.errors import EngineError, StorageFullError
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import LinkState, Session, SessionId
from openwa_manager.services.messaging.evidence import Reachable
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.messaging.people import chats

_log = structlog.get_logger()

#: How many chats are taken in at most, and in one write.
CHATS_MAX, _SLICE = 5000, 250
#: The pauses before each try (s): an engine that was linked just now learns of its chats in the first minutes.
_PAUSES_S = (0.5, 5.0, 30.0, 120.0)


class KnownChats:
    """Asks each connected session's engine once; `sessions` iterates over all there are."""

    def __init__(
        self,
        records: MessageRecords,
        clock: Clock,
        reach: Callable[[SessionId], Reachable | None],
        sessions: Callable[[], Iterable[Session]],
    ) -> None:
        self._records = records
        self._clock = clock
        self._reach = reach
        self._sessions = sessions
        self._connected: asyncio.Queue[SessionId] = asyncio.Queue()
        self._asked: set[SessionId] = set()

    def note(self, stored: Sequence[StoredEvent]) -> None:
        """Take note of the sessions that are connected from now on."""
        for each in stored:
            if each.event.type == "session.connected" and each.event.session_id is not None:
                self._connected.put_nowait(each.event.session_id)

    async def run(self) -> None:
        """Ask whenever a session is connected whose list is not known, until cancelled."""
        for session in self._sessions():
            if session.link is LinkState.CONNECTED:
                self._connected.put_nowait(session.session_id)
        async with asyncio.TaskGroup() as tasks:
            while True:
                session_id = await self._connected.get()
                if session_id not in self._asked:
                    self._asked.add(session_id)
                    tasks.create_task(self._ask(session_id))

    async def _ask(self, session_id: SessionId) -> None:
        try:
            if not await self._records.read(partial(chats.is_list_known, session_id=session_id)):
                await self._learn(session_id)
        except StorageFullError:
            pass  # the next connection asks again
        except Exception:  # noqa: BLE001 (a bug with one session's list leaves the others alone)
            _log.exception("chats_not_learnt", session_id=session_id)
        finally:
            self._asked.discard(session_id)

    async def _learn(self, session_id: SessionId) -> None:
        """Take the list in, once it is noted whose it is; an empty one is believed at the last try only."""
        for pause_s in _PAUSES_S:
            await self._clock.sleep_until(self._clock.now().boot_s + pause_s)
            reached = self._reach(session_id)
            if reached is None:
                return
            is_last, number = pause_s == _PAUSES_S[-1], reached.session.phone_number
            is_linked = partial(chats.is_linked_as, session_id=session_id, phone_number=number)
            if not is_last and not await self._records.read(is_linked):
                continue
            try:
                listed = await reached.engine.list_chats(reached.session, reached.launch)
            except EngineError as error:
                _log.info("chats_not_told", session_id=session_id, code=error.code)
                continue
            if listed or is_last:
                await self._note(reached.session, listed[:CHATS_MAX])
                return

    async def _note(self, session: Session, listed: Sequence[str]) -> None:
        session_id, at, rest = session.session_id, self._clock.now().at, iter(listed)
        while some := list(islice(rest, _SLICE)):
            note = partial(chats.note_listed, session_id=session_id, user_id=session.spec.user_id, chat_ids=some, at=at)
            await self._records.write(note)
        await self._records.write(partial(chats.note_list_known, session_id=session_id, at=at))
        _log.info("chats_learnt", session_id=session_id, count=len(listed))
