"""Brings work to its end although the caller who asked for it hangs up."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TypeVar

import structlog

from openwa_manager.domain.errors import DrainingError

T = TypeVar("T")

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class BackgroundTasks:
    """Runs each piece of work as a task of its own `run`; callers wait for the outcome, or leave before it."""

    def __init__(self) -> None:
        self._inbox: asyncio.Queue[Callable[[], Coroutine[None, None, None]]] = asyncio.Queue()

    async def run(self) -> None:
        """Take up work until cancelled; what is unfinished then is given up."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                work = await self._inbox.get()
                tasks.create_task(work())

    async def finish(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what `work` returned, or raise what it raised; it goes on if the caller is cancelled.

        Raises:
            DrainingError: the daemon has ended before it.
        """
        # A future and not the task: who is cancelled while awaiting a task cancels that too.
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait(partial(_finish, work, outcome))
        return await outcome


async def _finish(work: Callable[[], Awaitable[T]], outcome: asyncio.Future[T]) -> None:
    try:
        result = await work()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is the caller's)
        if outcome.done():  # the caller has left, so nobody else would hear of it
            _log.error("background_work_failed", exc_info=error)
        else:
            outcome.set_exception(error)
    else:
        if not outcome.done():
            outcome.set_result(result)
    finally:
        if not outcome.done():  # cancelled
            outcome.set_exception(DrainingError("the daemon is stopping"))
