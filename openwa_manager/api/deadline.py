"""Gives up a request that takes too long, so that nobody waits for ever and nothing is held for nobody."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.typedefs import Handler

from openwa_manager.api.errors import UnfinishedError
from openwa_manager.domain.values import dataclass

#: As long as a body may take; a database that is busy and a disk that is slow answer within seconds.
WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """How long a handler may still take."""

    timeout: asyncio.Timeout
    within_s: float

    def renew(self) -> None:
        """Let it take its whole time from now on."""
        self._set(asyncio.get_running_loop().time() + self.within_s)

    def forget(self) -> None:
        """Let it take as long as it likes."""
        self._set(None)

    def _set(self, at_s: float | None) -> None:
        if not self.timeout.expired():
            self.timeout.reschedule(at_s)


#: Present while a handler runs that has a deadline.
TIME_LEFT = web.RequestKey("time_left", TimeLeft)


class RequestDeadline:
    """Lets a handler take so long."""

    def __init__(self, within_s: float = WITHIN_S) -> None:
        self._within_s = within_s

    @web.middleware
    async def keep(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on; an answer that has begun may take as long as it is read.

        Raises:
            UnfinishedError: there was no answer in time.
        """
        try:
            async with asyncio.timeout(self._within_s) as timeout:
                request[TIME_LEFT] = TimeLeft(timeout, self._within_s)
                try:
                    return await handler(request)
                finally:
                    del request[TIME_LEFT]
        except TimeoutError as error:
            if not timeout.expired():
                raise
            raise UnfinishedError(
                f"given up after {self._within_s:g} s; it may have been done: look before you ask for it again"
            ) from error


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
