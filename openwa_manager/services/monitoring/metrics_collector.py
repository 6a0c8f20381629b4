"""Gathers what a scrape shows: what it counts itself, and what others know."""

import asyncio
import platform
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.domain.session.session import SessionId, Usage
from openwa_manager.metrics import LOOP_LAG_S, Durations, MessageNumbers, Scrape
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.store.database import Database
from openwa_manager.store.delivery import outbox

#: How often the event loop's lateness is looked at; it costs a wake-up each.
_PERIOD_S = 1.0


class MetricsCollector:
    """Counts restarts, measures the loop, and asks others for the rest; `usage` None leaves sessions out.

    `messages` counts the messages.
    """

    def __init__(
        self,
        version: str,
        sessions: SessionDirectory,
        database: Database,
        qr_push: Durations,
        usage: Callable[[SessionId], Usage | None] | None,
        messages: Callable[[], Awaitable[MessageNumbers]],
    ) -> None:
        self._version = version
        self._sessions = sessions
        self._database = database
        self._qr_push = qr_push
        self._usage = usage
        self._messages = messages
        self._restarts: Counter[str] = Counter()
        self._loop_lag = Durations(LOOP_LAG_S)

    def note(self, stored: Sequence[StoredEvent]) -> None:
        """Count the restarts among these events."""
        restarted = [each.event for each in stored if each.event.type == "session.restarted"]
        self._restarts.update(str(event.data.get("reason")) for event in restarted)

    async def run(self) -> None:
        """Measure how late the loop is until cancelled; its clock leaves out the host's sleep."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _PERIOD_S
            await asyncio.sleep(_PERIOD_S)
            self._loop_lag.note(max(0.0, loop.time() - due_s))

    async def read(self) -> Scrape:
        """Return everything as it is now."""
        sessions, starts = self._sessions.list_sessions(), self._sessions.start_counts()
        pending, dead = await self._database.read(outbox.count_undelivered)
        usage = {each.session_id: self._usage(each.session_id) for each in sessions} if self._usage else {}
        return Scrape(
            version=self._version,
            python=platform.python_version(),
            sessions=Counter(session.status for session in sessions),
            restarts=self._restarts,
            usage={session_id: used for session_id, used in usage.items() if used},
            adoption_s=starts.adoption_s,
            queue_length=starts.queued,
            deliveries_pending=pending,
            deliveries_dead=dead,
            commit=self._database.commit_times,
            qr_push=self._qr_push,
            loop_lag=self._loop_lag,
            messages=await self._messages(),
        )
