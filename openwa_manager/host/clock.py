"""The host's time: wall clock, a boot clock that counts sleep, and sleeping by it."""

import asyncio
import sys
import time

from openwa_manager.domain.ports import Instant

#: Loop timers stand still while the host sleeps, so no single one may be longer than this.
_SLICE_S = 5.0

if sys.platform == "linux":
    _BOOT_CLOCK = time.CLOCK_BOOTTIME
elif sys.platform == "darwin":  # pragma: no cover (macOS; there CLOCK_MONOTONIC_RAW counts sleep)
    _BOOT_CLOCK = time.CLOCK_MONOTONIC_RAW
else:  # pragma: no cover (other systems: the best POSIX has)
    _BOOT_CLOCK = time.CLOCK_MONOTONIC


class SystemClock:
    """The real Clock."""

    def now(self) -> Instant:
        """Return this moment."""
        return Instant(
            at=time.time(),  # noqa: TID251 the one place wall time comes from
            boot_s=time.clock_gettime(_BOOT_CLOCK),
        )

    async def sleep_until(self, boot_s: float) -> None:
        """Return once the boot clock has reached `boot_s`; after a sleep of the host at most 5 s late."""
        while (left_s := boot_s - time.clock_gettime(_BOOT_CLOCK)) > 0:  # noqa: ASYNC110 time has no event
            await asyncio.sleep(min(left_s, _SLICE_S))
