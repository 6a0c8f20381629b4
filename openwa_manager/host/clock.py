"""The host's time: wall clock, a boot clock that counts sleep, and sleeping by it."""

import asyncio
import sys
import time

from openwa_manager.domain.ports import Instant

#: Loop timers stand still while the host sleeps: this often somebody must look whether it did.
_LOOK_S = 5.0
#: The two clocks may drift apart by this much before it counts as a sleep.
_DRIFT_S = 0.1

if sys.platform == "linux":
    _BOOT_CLOCK = time.CLOCK_BOOTTIME
elif sys.platform == "darwin":  # pragma: no cover (macOS; there CLOCK_MONOTONIC_RAW counts sleep)
    _BOOT_CLOCK = time.CLOCK_MONOTONIC_RAW
else:  # pragma: no cover (other systems: the best POSIX has)
    _BOOT_CLOCK = time.CLOCK_MONOTONIC


class SystemClock:
    """The real Clock, for one event loop; however many sleep by it, one timer looks out for the host's own sleep.

    `look_s` is how often it does, in seconds.
    """

    def __init__(self, look_s: float = _LOOK_S) -> None:
        self._look_s = look_s
        self._naps: set[asyncio.Future[None]] = set()
        self._lookout: asyncio.TimerHandle | None = None
        self._ahead_s = 0.0

    def now(self) -> Instant:
        """Return this moment."""
        return Instant(
            at=time.time(),  # noqa: TID251 the one place wall time comes from
            boot_s=_boot_s(),
        )

    async def sleep_until(self, boot_s: float) -> None:
        """Return once the boot clock has reached `boot_s`; after a sleep of the host at most `look_s` late."""
        while (left_s := boot_s - _boot_s()) > 0:
            if left_s <= self._look_s:
                await asyncio.sleep(left_s)
            else:
                await self._nap(left_s)

    async def _nap(self, seconds: float) -> None:
        """Return after so many seconds of the loop, or as soon as it is noticed that the host has slept."""
        loop = asyncio.get_running_loop()
        nap: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _wake, nap)
        self._naps.add(nap)
        if self._lookout is None:
            self._ahead_s = _boot_s() - loop.time()
            self._lookout = loop.call_later(self._look_s, self._look_out, loop)
        try:
            await nap
        finally:
            timer.cancel()
            self._naps.discard(nap)
            if not self._naps and self._lookout is not None:
                self._lookout.cancel()
                self._lookout = None

    def _look_out(self, loop: asyncio.AbstractEventLoop) -> None:
        ahead_s = _boot_s() - loop.time()
        if abs(ahead_s - self._ahead_s) > _DRIFT_S:
            self._ahead_s = ahead_s
            for nap in self._naps:
                _wake(nap)
        self._lookout = loop.call_later(self._look_s, self._look_out, loop)


def _boot_s() -> float:
    return time.clock_gettime(_BOOT_CLOCK)


def _wake(nap: asyncio.Future[None]) -> None:
    if not nap.done():
        nap.set_result(None)
