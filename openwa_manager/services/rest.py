"""Sleeping until something is due or something happens, whichever comes first."""

import asyncio

from openwa_manager.domain.ports import Clock


async def wait_until(clock: Clock, boot_s: float | None, woken: asyncio.Event) -> None:
    """Return once `roused` is set; when the boot clock reaches `boot_s` this sets it itself (None: never)."""
    if boot_s is None or woken.is_set():
        await woken.wait()
        return
    async with asyncio.TaskGroup() as rest:
        alarm = rest.create_task(_wake_at(clock, boot_s, woken))
        await woken.wait()
        alarm.cancel()


async def _wake_at(clock: Clock, boot_s: float, woken: asyncio.Event) -> None:
    await clock.sleep_until(boot_s)
    woken.set()
