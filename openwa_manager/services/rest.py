"""Sleeping until something is due or something happens, whichever comes first."""

import asyncio

from openwa_manager.domain.ports import Clock


async def rest_until(clock: Clock, boot_s: float | None, roused: asyncio.Event) -> None:
    """Return once `roused` is set; when the boot clock reaches `boot_s` this sets it itself (None: never)."""
    if boot_s is None or roused.is_set():
        await roused.wait()
        return
    async with asyncio.TaskGroup() as rest:
        alarm = rest.create_task(_rouse_at(clock, boot_s, roused))
        await roused.wait()
        alarm.cancel()


async def _rouse_at(clock: Clock, boot_s: float, roused: asyncio.Event) -> None:
    await clock.sleep_until(boot_s)
    roused.set()
