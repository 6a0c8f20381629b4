"""What became of each delivery, and sending some once more."""

from collections.abc import AsyncGenerator
from functools import partial

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.services.delivery.dispatcher import Dispatcher
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.deliveries import (
    Delivery,
    Place,
    Selection,
    count_replayable,
    list_deliveries,
    replay,
)

#: A replay counts as undelivered; half of what may be undelivered stays free for what happens meanwhile.
REPLAY_MAX = 100_000


class Deliveries:
    """Lists the deliveries, and makes some of them once more."""

    def __init__(self, database: Database, dispatcher: Dispatcher, background: BackgroundTasks) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._background = background

    async def iterate(self, selection: Selection, behind: Place) -> AsyncGenerator[Delivery]:
        """Go through the selected deliveries that stand behind a place, newest first."""
        while found := await self._database.read(partial(list_deliveries, selection=selection, behind=behind)):
            for delivery in found:
                behind = Place(delivery.seq, delivery.endpoint_id)
                yield delivery

    async def count(self, selection: Selection) -> int:
        """Return how many deliveries `replay` would send once more.

        Raises:
            InvalidInputError: there are too many.
        """
        count = await self._database.read(partial(count_replayable, selection=selection))
        if count > REPLAY_MAX:
            raise InvalidInputError("body", f"means {count} deliveries, more than {REPLAY_MAX} at once; ask for fewer")
        return count

    async def replay(self, selection: Selection) -> int:
        """Send the selected deliveries once more, each stream in its order; return how many there are.

        Raises:
            InvalidInputError: there are too many.
        """
        return await self._background.finish(partial(self._replay, selection))

    async def _replay(self, selection: Selection) -> int:
        await self.count(selection)
        replayed, after = 0, 0
        try:
            while True:  # in parts, so that no commit is long and others get their turn between them
                part = await self._database.write(partial(replay, selection=selection, after=after))
                replayed += part.delivery_count
                if part.last_seq is None:
                    return replayed
                after = part.last_seq
        finally:
            self._dispatcher.reread()
