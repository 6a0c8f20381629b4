"""Keeps the service manager informed: ready, how many sessions run, still alive."""

from collections.abc import Callable, Iterable

from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Session
from openwa_manager.host.notify import ServiceManager
from openwa_manager.services.starting.progress import Progress
from openwa_manager.services.upkeep.watchdog import Watchdog
from openwa_manager.store.database import Database


class ServiceNotifier:
    """Says that the daemon is ready once every session is taken up, then feeds the watchdog if there is one."""

    def __init__(
        self,
        manager: ServiceManager,
        progress: Progress,
        sessions: Callable[[], Iterable[Session]],
        database: Database,
        clock: Clock,
    ) -> None:
        self._manager = manager
        self._progress = progress
        self._sessions = sessions
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Report until cancelled, or until there is nothing more to report."""
        self._manager.status("taking up the sessions")
        await self._progress.until_ready()
        self._manager.ready()
        self._say_how_many()
        limit_s = self._manager.watchdog_s()
        if limit_s is not None:
            await Watchdog(limit_s, self._database, self._clock, self._feed).run()

    def _feed(self) -> None:
        self._manager.alive()
        self._say_how_many()

    def _say_how_many(self) -> None:
        now = self._progress.counts_of(self._sessions())
        self._manager.status(f"{now.total} sessions, {now.running} running, {now.queued} waiting to start")
