"""The host's time: wall clock, a boot clock that counts sleep, and waiting by it."""

import asyncio
import sys
import time
from contextlib import suppress

from openwa_manager.domain.ports import Flag, Instant

#: How often to look whether the host has slept.
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
    """The real Clock, for one event loop.

    The loop's timers stand still while the host sleeps. So every `look_s` seconds, while anybody waits for longer than
    that, one timer compares the two clocks; when the host has slept it ends all long waits, which then look anew.
    """

    def __init__(self, look_s: float = _LOOK_S) -> None:
        self._look_s = look_s
        self._long_waits: set[asyncio.Timeout] = set()
        self._look_timer: asyncio.TimerHandle | None = None
        self._ahead_s = 0.0

    def now(self) -> Instant:
        """Return this moment."""
        return Instant(
            at=time.time(),  # noqa: TID251 the one place wall time comes from
            boot_s=_boot_s(),
        )

    async def sleep_until(self, boot_s: float) -> None:
        """Return once the boot clock has reached `boot_s`; after a sleep of the host at most `look_s` late."""
        await self.wait(asyncio.Event(), boot_s)

    async def wait(self, flag: Flag, until_boot_s: float | None) -> bool:
        """Return once `flag` is set or that time has come; after a sleep of the host at most `look_s` late."""
        await asyncio.sleep(0)
        if until_boot_s is None:
            return await flag.wait()
        while not flag.is_set() and (left_s := until_boot_s - _boot_s()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s) as limit:
                    await self._wait_within(limit, flag, left_s)
        return flag.is_set()

    async def _wait_within(self, limit: asyncio.Timeout, flag: Flag, left_s: float) -> None:
        if left_s <= self._look_s:
            await flag.wait()
            return
        self._long_waits.add(limit)
        if self._look_timer is None:
            loop = asyncio.get_running_loop()
            self._ahead_s = _boot_s() - loop.time()
            self._look_timer = loop.call_later(self._look_s, self._look_for_sleep, loop)
        try:
            await flag.wait()
        finally:
            self._long_waits.discard(limit)
            if not self._long_waits and self._look_timer is not None:
                self._look_timer.cancel()
                self._look_timer = None

    def _look_for_sleep(self, loop: asyncio.AbstractEventLoop) -> None:
        ahead_s = _boot_s() - loop.time()
        if abs(ahead_s - self._ahead_s) > _DRIFT_S:
            self._ahead_s = ahead_s
            for limit in self._long_waits:
                if not limit.expired():
                    limit.reschedule(loop.time())
        self._look_timer = loop.call_later(self._look_s, self._look_for_sleep, loop)


def _boot_s() -> float:
    return time.clock_gettime(_BOOT_CLOCK)
