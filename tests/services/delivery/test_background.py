import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from openwa_manager.domain.errors import ConflictError, DrainingError
from openwa_manager.services.delivery.background import BackgroundTasks
from tests.fakes.clock import settle


@asynccontextmanager
async def running() -> AsyncIterator[BackgroundTasks]:
    background = BackgroundTasks()
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(background.run())
        yield background
        run.cancel()


class Work:
    """Work that goes on when it is let go on, and then ends so."""

    def __init__(self, error: Exception | None = None) -> None:
        self.gate = asyncio.Event()
        self.is_done = False
        self._error = error

    async def do(self) -> str:
        async with asyncio.timeout(20):
            await self.gate.wait()
        self.is_done = True
        if self._error is not None:
            raise self._error
        return "done"


async def test_a_caller_gets_what_the_work_returned() -> None:
    work = Work()
    work.gate.set()
    async with running() as background:
        assert await background.finish(work.do) == "done"


async def test_a_caller_gets_what_the_work_raised() -> None:
    work = Work(ConflictError("no"))
    work.gate.set()
    async with running() as background:
        with pytest.raises(ConflictError, match="no"):
            await background.finish(work.do)


@pytest.mark.parametrize("error", [None, ConflictError("no")])
async def test_work_goes_on_when_its_caller_leaves(error: Exception | None) -> None:
    work = Work(error)
    async with running() as background, asyncio.TaskGroup() as callers:
        caller = callers.create_task(background.finish(work.do))
        await settle()
        caller.cancel()
        await settle()

        work.gate.set()
        await settle()

        assert work.is_done


async def test_a_caller_who_still_waits_when_the_daemon_ends_is_told_so() -> None:
    errors: list[Exception] = []

    async def ask(background: BackgroundTasks) -> None:
        try:
            await background.finish(Work().do)
        except DrainingError as error:
            errors.append(error)

    async with asyncio.TaskGroup() as tasks, running() as background:
        tasks.create_task(ask(background))
        await settle()

    assert len(errors) == 1
