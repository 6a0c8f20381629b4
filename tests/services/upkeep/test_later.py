"""What only measures begins once the sessions are taken up, and does not wait for one that hangs."""

import asyncio

from openwa_manager.services.starting.progress import Progress
from openwa_manager.services.upkeep.later import Later
from tests.fakes.clock import FakeClock, settle


class Begun:
    """A service that tells when it has begun."""

    def __init__(self) -> None:
        self.has_begun = False

    async def run(self) -> None:
        """Note it."""
        self.has_begun = True


async def test_it_begins_once_the_sessions_are_taken_up() -> None:
    progress, service = Progress(FakeClock()), Begun()
    progress.begin()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Later(service, progress).run())
        await settle()
        had_begun = service.has_begun
        progress.finish()

    assert not had_begun
    assert service.has_begun


async def test_it_waits_no_longer_than_ten_seconds() -> None:
    clock, service = FakeClock(), Begun()
    progress = Progress(clock)
    progress.begin()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Later(service, progress).run())
        await clock.advance(9.9)
        had_begun = service.has_begun
        await clock.advance(0.1)

    assert not had_begun
    assert service.has_begun
