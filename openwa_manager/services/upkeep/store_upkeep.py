"""Keeps the database small: forgets delivered events, ended messages and old keys; and copies it every hour."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.domain.messaging.policy import MessageRetention
from openwa_manager.domain.ports import Clock
from openwa_manager.services.messaging.generations import Generations
from openwa_manager.store.access import audit
from openwa_manager.store.database import Connection, Database, SqliteError
from openwa_manager.store.delivery.backlog import drop_passing, read_backlog
from openwa_manager.store.delivery.outbox import look_back
from openwa_manager.store.delivery.retention import Retention, forget_dead, forget_settled
from openwa_manager.store.messaging.idempotency import forget_keys
from openwa_manager.store.messaging.people import checks
from openwa_manager.store.messaging.upkeep.retention import forget_old
from openwa_manager.store.sessions import engine_events

_log = structlog.get_logger()

Place = TypeVar("Place")

_STORE_PERIOD_S = 3600.0
_BACKLOG_PERIOD_S = 60.0
_LOG_PERIOD_S = 60.0
_RESERVE_PERIOD_S = 60.0
_COPIES_KEPT = 3
RETENTION = Retention()
#: A year: for so long auditors ask back.
AUDIT_KEPT_S = 365 * 86_400.0
#: What is tried again in the next period: the disk is full, too many files are open, the copy cannot be written.
_RETRIED = (OpenwaManagerError, OSError, SqliteError)


class StoreUpkeep:
    """Looks after the backlog every minute and after the database every hour; `copies` is where its copies go."""

    def __init__(
        self,
        clock: Clock,
        database: Database,
        copies: Path,
        generations: Generations,
        messages: MessageRetention,
    ) -> None:
        self._clock = clock
        self._database = database
        self._copies = copies
        self._generations = generations
        self._messages = messages

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_store())
            tasks.create_task(self._trim_backlog())
            tasks.create_task(self._empty_log())
            tasks.create_task(self._keep_reserve())

    async def _keep_store(self) -> None:
        while True:
            await self._clock.sleep_until(self._clock.now().boot_s + _STORE_PERIOD_S)
            now = self._clock.now().at
            try:
                await self.forget(now)
                await self._database.snapshot(await asyncio.to_thread(_next_copy, self._copies, now))
                await self._generations.close()
                await asyncio.to_thread(_keep_newest, self._copies)
            except _RETRIED as error:
                _log.warning("housekeeping_postponed", error=str(error))

    async def _trim_backlog(self) -> None:
        """Drop what is of passing interest before the backlog is full and the engines are turned away."""
        while True:
            await self._clock.sleep_until(self._clock.now().boot_s + _BACKLOG_PERIOD_S)
            try:
                while (await self._database.read(read_backlog)).is_near():
                    count = await self._database.write(drop_passing)
                    if not count:
                        break
                    _log.warning("events_dropped", count=count)
            except _RETRIED as error:
                _log.warning("housekeeping_postponed", error=str(error))

    async def _empty_log(self) -> None:
        """Let what was wiped not lie in the write-ahead log for long; nothing is done while nothing is written."""
        emptied_at = 0
        while True:
            await self._clock.sleep_until(self._clock.now().boot_s + _LOG_PERIOD_S)
            if self._database.commit_times.count == emptied_at:
                continue
            try:
                if await self._database.empty_log():
                    emptied_at = self._database.commit_times.count
            except _RETRIED as error:
                _log.warning("housekeeping_postponed", error=str(error))

    async def _keep_reserve(self) -> None:
        """Have room set aside, anew once the disk has some again."""
        while True:
            await asyncio.to_thread(self._database.reserve.set_aside)
            await self._clock.sleep_until(self._clock.now().boot_s + _RESERVE_PERIOD_S)

    async def forget(self, now: float) -> None:
        """Forget what is old at wall time `now`, a slice at a time, so that other writes get their turn."""
        await self._repeat(partial(engine_events.forget_old, now=now))
        await self._repeat(partial(audit.forget_old, before_at=now - AUDIT_KEPT_S, now=now))
        await self._repeat(partial(forget_dead, at=now, retention=RETENTION))
        too_many = await self._last_of_too_many()
        await self._walk(partial(forget_settled, at=now, retention=RETENTION, kept_after=too_many), 0)
        await self._repeat(partial(forget_old, at=now, retention=self._messages))
        await self._walk(partial(checks.forget_old, at=now), checks.FIRST_PLACE)
        await self._walk(partial(forget_keys, now=now), "")

    async def _repeat(self, forget: Callable[[Connection], int]) -> None:
        """Forget some until none is left."""
        while await self._database.write(forget):
            pass

    async def _walk(self, forget: Callable[..., Place | None], first: Place) -> None:
        """Look at what is behind each place in turn, from the first one on, and forget what is old."""
        behind: Place | None = first
        while behind is not None:
            behind = await self._database.write(partial(forget, behind=behind))

    async def _last_of_too_many(self) -> int:
        """Return the seq behind which the newest events begin, as many as are kept."""
        back = await self._database.read(partial(look_back, count=RETENTION.delivered_max))
        while back.missing_count:
            back = await self._database.read(partial(look_back, count=back.missing_count, until=back.seq))
        return back.seq


def _next_copy(copies: Path, at: float) -> Path:
    """Return a path whose name is the last of all copies', also when the wall clock was set back since the others."""
    made = max(
        (int(digits) for copy in copies.glob("manager-*.db") if (digits := copy.stem[8:]).isdecimal()), default=0
    )
    return copies / f"manager-{max(int(at), made + 1)}.db"


def _keep_newest(copies: Path) -> None:
    for old in sorted(copies.glob("manager-*.db"))[:-_COPIES_KEPT]:
        old.unlink()
