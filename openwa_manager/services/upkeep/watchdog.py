"""Tells the service manager that we are well, but only while the event loop turns and the database answers."""

import asyncio
from collections.abc import Callable

import structlog

from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.domain.ports import Clock
from openwa_manager.store.database import Database, SqliteError

_log = structlog.get_logger()


class Watchdog:
    """Calls `feed` every half `limit_s`, within which the service manager must hear of us, if the database answers.

    That this runs at all shows that the loop turns. The check only reads, so a full disk is no reason to be killed.
    A beat that comes late by more than its period, because the host slept or we were stopped, feeds before it checks:
    who counted the time meanwhile may be about to act (host/notify.py).
    """

    def __init__(self, limit_s: float, database: Database, clock: Clock, feed: Callable[[], None]) -> None:
        self._period_s = limit_s / 2
        self._answer_within_s = limit_s / 4
        self._database = database
        self._clock = clock
        self._feed = feed

    async def run(self) -> None:
        """Check and feed until cancelled."""
        due_s = self._clock.now().boot_s
        while True:
            if self._clock.now().boot_s - due_s > self._period_s:
                self._feed()
            if await self._store_answers():
                self._feed()
            due_s = max(due_s + self._period_s, self._clock.now().boot_s)
            await self._clock.sleep_until(due_s)

    async def _store_answers(self) -> bool:
        try:
            async with asyncio.timeout(self._answer_within_s):
                await self._database.check()
        except (TimeoutError, OpenwaManagerError, SqliteError) as error:
            _log.error("store_not_answering", error=repr(error), within_s=self._answer_within_s)
            return False
        return True
