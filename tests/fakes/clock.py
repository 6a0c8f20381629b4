"""A clock that only moves when the test says so."""

import asyncio
import heapq
from collections import deque
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import cast

from openwa_manager.domain.ports import Flag, Instant
from openwa_manager.host.clock import SystemClock


class SettableClock(SystemClock):
    """The real clock, whose wall time a test can set."""

    _set_by_s = 0.0

    def now(self) -> Instant:
        """Return this moment, as the wall clock is set."""
        moment = super().now()
        return replace(moment, at=moment.at + self._set_by_s)

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back."""
        self._set_by_s += seconds


class FakeClock:
    """A Clock whose time stands still between calls of `advance`."""

    def __init__(self, at: float = 1_800_000_000.0, boot_s: float = 1000.0) -> None:
        self._at = at
        self._boot_s = boot_s
        self._sleepers: list[tuple[float, int, asyncio.Timeout]] = []
        self._order = count()
        self._slept = asyncio.Condition()

    def now(self) -> Instant:
        """Return the moment the test has chosen."""
        return Instant(at=self._at, boot_s=self._boot_s)

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back."""
        self._at += seconds

    async def sleep_until(self, boot_s: float) -> None:
        """Return once the test has advanced the boot clock to `boot_s`; at least one turn of the loop passes."""
        await self.wait(asyncio.Event(), boot_s)

    async def wait(self, flag: Flag, until_boot_s: float | None) -> bool:
        """Return once `flag` is set, or the test has advanced the boot clock so far; tell if it is set."""
        if until_boot_s is None:
            await asyncio.sleep(0)
            return await flag.wait()
        if flag.is_set() or until_boot_s <= self._boot_s:
            await asyncio.sleep(0)
            return flag.is_set()
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as limit:
                await self._wait_within(limit, flag, until_boot_s)
        return flag.is_set()

    async def _wait_within(self, limit: asyncio.Timeout, flag: Flag, until_boot_s: float) -> None:
        sleeper = (until_boot_s, next(self._order), limit)
        heapq.heappush(self._sleepers, sleeper)
        try:
            async with self._slept:
                self._slept.notify_all()
            await flag.wait()
        finally:
            if sleeper in self._sleepers:  # the flag was set, or the task cancelled
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: wake the sleepers in order of their deadlines, each with all that follows from it."""
        end_s = self._boot_s + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            self._move_to(self._sleepers[0][0])
            self._end_waits()
            await settle()
        self._move_to(end_s)

    async def sleep_host(self, seconds: float) -> None:
        """Let the host sleep for `seconds`: whoever was due in between is woken late, all at once."""
        await settle()
        self._move_to(self._boot_s + seconds)
        self._end_waits()
        await settle()

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP does; the boot clock does not move."""
        self._at += seconds

    @property
    def deadlines(self) -> list[float]:
        """The boot times the present sleepers wait for, soonest first."""
        return sorted(boot_s for boot_s, _, _ in self._sleepers)

    async def until_sleeping(self, sleepers: int = 1) -> None:
        """Wait until at least so many tasks sleep; for tests in which real I/O comes before the sleep."""
        async with asyncio.timeout(20), self._slept:
            await self._slept.wait_for(lambda: len(self._sleepers) >= sleepers)

    def _end_waits(self) -> None:
        """End the waits that are due."""
        while self._sleepers and self._sleepers[0][0] <= self._boot_s:
            heapq.heappop(self._sleepers)[2].reschedule(asyncio.get_running_loop().time())

    def _move_to(self, boot_s: float) -> None:
        self._at += boot_s - self._boot_s
        self._boot_s = boot_s


async def settle() -> None:
    """Run the loop until no callback is ready: whatever happens without I/O or time has then happened."""
    ready = cast("deque[object]", vars(asyncio.get_running_loop())["_ready"])
    for _ in range(100_000):
        await asyncio.sleep(0)
        if not ready:
            return
    raise AssertionError("the loop never came to rest: a task spins")
