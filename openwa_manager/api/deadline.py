"""Gives up a request that takes too long, so that nobody waits for ever and nothing is held for nobody."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.typedefs import Handler

from openwa_manager.api.errors import UnfinishedError

#: As long as a body may take; a database that is busy and a disk that is slow answer within seconds.
WITHIN_S = 30.0


class TimeLeft:
    """How long a handler may still take."""

    __slots__ = ("_deadline", "_has_end", "_is_over", "_task", "_was_cancelled")

    def __init__(self, deadline: "RequestDeadline", task: "asyncio.Task[object]") -> None:
        self._deadline = deadline
        self._task = task
        self._was_cancelled = task.cancelling()
        self._is_over = self._has_end = False

    def renew(self) -> None:
        """Let it take its whole time from now on."""
        if not self._is_over:
            self._deadline.add(self)

    def forget(self) -> None:
        """Let it take as long as it likes."""
        self._deadline.remove(self)

    def end(self) -> None:
        """End the handler."""
        self._is_over = self._has_end = True
        self._task.cancel()

    def take_back_end(self) -> bool:
        """Tell whether this alone has ended the handler, not somebody else as well; it counts no longer."""
        has_end, self._has_end = self._has_end, False
        return has_end and self._task.uncancel() <= self._was_cancelled


#: Present while a handler runs that has a deadline.
TIME_LEFT = web.RequestKey("time_left", TimeLeft)


class RequestDeadline:
    """Lets a handler take so long.

    All have the same time, so the first to begin is the first that is due: one timer waits for it, instead of one for
    each request, of which nearly all would be taken back.
    """

    def __init__(self, within_s: float = WITHIN_S) -> None:
        self._within_s = within_s
        self._due_s: dict[TimeLeft, float] = {}  # on the loop's clock, the earliest first
        self._timer: asyncio.TimerHandle | None = None

    @web.middleware
    async def keep(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on; an answer that has begun may take as long as it is read.

        Raises:
            UnfinishedError: there was no answer in time.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (a handler runs in one)
        left = request[TIME_LEFT] = TimeLeft(self, task)
        self.add(left)
        try:
            return await handler(request)
        except asyncio.CancelledError as error:
            if not left.take_back_end():
                raise
            raise UnfinishedError(
                f"given up after {self._within_s:g} s; it may have been done: look before you ask for it again"
            ) from error
        finally:
            self.remove(left)
            left.take_back_end()
            del request[TIME_LEFT]

    def add(self, left: TimeLeft) -> None:
        """Let this one take its whole time from now on."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._within_s
        self._due_s.pop(left, None)  # it goes behind all others
        self._due_s[left] = due_s
        if self._timer is None:
            self._timer = loop.call_at(due_s, self._end_those_due, loop)

    def remove(self, left: TimeLeft) -> None:
        """Wait for this one no longer."""
        self._due_s.pop(left, None)

    def _end_those_due(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        for left, due_s in tuple(self._due_s.items()):
            if due_s > loop.time():
                self._timer = loop.call_at(due_s, self._end_those_due, loop)
                return
            del self._due_s[left]
            left.end()


@contextmanager
def receiving(request: web.Request) -> Iterator[None]:
    """Give the handler its whole time once the body has come: how long that may take has a limit of its own."""
    left = request.get(TIME_LEFT)
    if left is not None:
        left.forget()
    try:
        yield
    finally:
        if left is not None:
            left.renew()


def begin_to_answer(request: web.Request) -> None:
    """Give the handler as much time as the caller takes to read."""
    if (left := request.get(TIME_LEFT)) is not None:
        left.forget()
