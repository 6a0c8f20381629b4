"""Keeps small what grows: rotates engine logs, forgets delivered events and old keys; and copies the database."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import structlog

from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId
from openwa_manager.host.logs.own_log import rotate_own_log
from openwa_manager.services.upkeep.engine_logs import EngineLogs
from openwa_manager.store.database import Database, SqliteError
from openwa_manager.store.delivery.backlog import drop_passing, read_backlog
from openwa_manager.store.delivery.retention import Retention, prune
from openwa_manager.store.sessions import engine_events

_log = structlog.get_logger()

_LOGS_PERIOD_S, _OWN_LOG_PERIOD_S = 1.0, 10.0
_STORE_PERIOD_S = 3600.0
_BACKLOG_PERIOD_S = 60.0
_COPIES_KEPT = 3
RETENTION = Retention()
#: What is tried again in the next period: the disk is full, too many files are open, the copy cannot be written.
_RETRIED = (OpenwaManagerError, OSError, SqliteError)


class Housekeeping:
    """Looks after the logs every second, after the backlog every minute and after the database every hour."""

    def __init__(
        self,
        clock: Clock,
        database: Database,
        copies: Path,
        logs: EngineLogs,
        log_paths: Callable[[], Mapping[SessionId, ForeignPath]],
    ) -> None:
        self._clock = clock
        self._database = database
        self._copies = copies
        self._logs = logs
        self._log_paths = log_paths

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_logs())
            tasks.create_task(self._keep_own_log())
            tasks.create_task(self._keep_store())
            tasks.create_task(self._trim_backlog())

    async def _keep_logs(self) -> None:
        while True:
            began_s, pause_s = self._clock.now().boot_s, _LOGS_PERIOD_S
            if not await self._logs.are_quiet(began_s):
                pause_s = await self._logs.keep_small(self._log_paths(), began_s)
            await self._clock.sleep_until(self._clock.now().boot_s + pause_s)

    async def _keep_own_log(self) -> None:
        while True:
            await asyncio.to_thread(_rotate_own)
            await self._clock.sleep_until(self._clock.now().boot_s + _OWN_LOG_PERIOD_S)

    async def _keep_store(self) -> None:
        while True:
            await self._clock.sleep_until(self._clock.now().boot_s + _STORE_PERIOD_S)
            now = self._clock.now().at
            try:
                await self._forget(now)
                await self._database.snapshot(await asyncio.to_thread(_next_copy, self._copies, now))
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

    async def _forget(self, now: float) -> None:
        await self._database.write(partial(engine_events.forget_old, now=now))
        while await self._database.write(partial(prune, at=now, retention=RETENTION)):
            pass  # a bounded part each time, so that other writes get their turn


def _rotate_own() -> None:
    try:
        path = rotate_own_log()
    except OSError as error:
        _log.warning("own_log_not_rotated", error=str(error))
        return
    if path is not None:
        _log.info("own_log_rotated", path=str(path))


def _next_copy(copies: Path, at: float) -> Path:
    """Return a path whose name is the last of all copies', also when the wall clock was set back since the others."""
    made = max(
        (int(digits) for copy in copies.glob("manager-*.db") if (digits := copy.stem[8:]).isdecimal()), default=0
    )
    return copies / f"manager-{max(int(at), made + 1)}.db"


def _keep_newest(copies: Path) -> None:
    for old in sorted(copies.glob("manager-*.db"))[:-_COPIES_KEPT]:
        old.unlink()
