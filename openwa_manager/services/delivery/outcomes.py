"""Records how attempts ended: those that end while others are being written are written together."""

import asyncio
from collections import deque
from functools import partial

from openwa_manager.domain.delivery.endpoint_queue import StreamKey
from openwa_manager.domain.values import dataclass
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery import outbox
from openwa_manager.store.delivery.outbox import DeliveryAttempt, Following


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """An attempt that ended, and who waits until that is on disk."""

    key: StreamKey
    attempt: DeliveryAttempt
    recorded: asyncio.Future[Following]

    def confirm(self, following: Following) -> None:
        """Let it go on, if it has not been cancelled."""
        if not self.recorded.done():
            self.recorded.set_result(following)

    def fail(self, error: Exception) -> None:
        """Let it know that nothing was written, if it has not been cancelled."""
        if not self.recorded.done():
            self.recorded.set_exception(error)


class Outcomes:
    """Takes what has ended to the database's thread, as much of it as there is once the thread is free.

    The first whose outcome waits takes all of them there. Whoever delivers is cancelled as a whole or not at all, so
    the others need nobody in its place.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Ended] = deque()
        self._is_asked = False

    async def record(self, key: StreamKey, attempt: DeliveryAttempt) -> Following:
        """Return what comes next in the stream, once the attempt's outcome is on disk.

        Raises:
            StorageFullError: nothing was written.
        """
        ended = _Ended(key=key, attempt=attempt, recorded=asyncio.get_running_loop().create_future())
        self._waiting.append(ended)
        if not self._is_asked:  # after it was put there: a write that has just begun may have missed it
            self._is_asked = True
            await self._write()
        return await ended.recorded

    async def _write(self) -> None:
        taken: list[_Ended] = []
        try:
            following = await self._database.write(partial(self._record, taken=taken))
        except Exception as error:  # noqa: BLE001 (each of them gets it)
            if not taken:  # it never began
                self._is_asked = False
            for each in taken or self._take():
                each.fail(error)
        else:
            for each, found in zip(taken, following, strict=True):
                each.confirm(found)

    def _record(self, connection: Connection, taken: list[_Ended]) -> list[Following]:
        """Record all that waits; on the database's thread."""
        self._is_asked = False  # before they are taken: what comes from now on needs a write of its own
        taken += self._take()
        return outbox.record_all(connection, [(each.key, each.attempt) for each in taken])

    def _take(self) -> list[_Ended]:
        return [self._waiting.popleft() for _ in range(len(self._waiting))]
