"""Keeps the logs small: rotates those of the engines, and our own."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId
from openwa_manager.host.logs.own_log import rotate_own_log
from openwa_manager.services.upkeep.engine_logs import EngineLogs

_log = structlog.get_logger()

_LOGS_PERIOD_S, _OWN_LOG_PERIOD_S = 1.0, 10.0


class Housekeeping:
    """Looks after the engines' logs every second, and after our own every ten."""

    def __init__(
        self,
        clock: Clock,
        logs: EngineLogs,
        log_paths: Callable[[], Mapping[SessionId, ForeignPath]],
    ) -> None:
        self._clock = clock
        self._logs = logs
        self._log_paths = log_paths

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_logs())
            tasks.create_task(self._keep_own_log())

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


def _rotate_own() -> None:
    try:
        path = rotate_own_log()
    except OSError as error:
        _log.warning("own_log_not_rotated", error=str(error))
        return
    if path is not None:
        _log.info("own_log_rotated", path=str(path))
