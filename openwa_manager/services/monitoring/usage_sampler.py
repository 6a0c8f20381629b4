"""Measures what the engines use of the host: every session's process tree, in one pass every few seconds."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Identity, SessionId, Usage
from openwa_manager.metrics.tallies import EngineCpu

_log = structlog.get_logger()

#: So soon after something happened to a session its use is measured, and not more often.
_SOON_S = 1.0

Measure = Callable[[Mapping[SessionId, Identity]], Mapping[SessionId, Usage]]


class UsageSampler:
    """Knows what each live engine used when last measured; `check` sees every measurement.

    `cpu` is what all engines have used together so far. What one uses after its last measurement is not in it.
    """

    def __init__(
        self,
        clock: Clock,
        period_s: float,
        measure: Measure,
        live: Callable[[], Mapping[SessionId, Identity]],
        check: Callable[[Mapping[SessionId, Usage]], None],
    ) -> None:
        self._clock = clock
        self._period_s = period_s
        self._woken = asyncio.Event()
        self._check = check
        self._measure = measure
        self._live = live
        self._usage: Mapping[SessionId, Usage] = {}
        self.cpu = EngineCpu()

    def usage(self, session_id: SessionId) -> Usage | None:
        """Return the last measurement of the session's tree; None when it has none yet, or none any more."""
        return self._usage.get(session_id)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            self._woken.clear()  # before looking: what happens from now on is worth another measurement
            live = self._live()
            try:
                self._usage = await asyncio.to_thread(self._measure, live) if live else {}
            except OSError as error:  # too many open files, as a rule
                _log.warning("usage_not_measured", error=str(error))
            else:
                self.cpu.add(self._usage)
                self._check(self._usage)
            await self._clock.sleep_until(self._clock.now().boot_s + _SOON_S)
            await self._clock.wait(self._woken, self._clock.now().boot_s + self._period_s - _SOON_S)

    def wake(self) -> None:
        """Measure soon, because something happened that changes what is used."""
        self._woken.set()
