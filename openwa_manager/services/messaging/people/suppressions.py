"""Keeps the lists of whom nobody writes to: shows them, adds to them, takes off, many at once too."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.errors import InvalidRecipientError
from openwa_manager.domain.messaging.messages import UserKey
from openwa_manager.domain.messaging.recipients import chat_id_of, is_person
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging.people import suppressions
from openwa_manager.store.messaging.people.suppressions import Suppression

#: How many names are read, or put on a list, in one go: others wait meanwhile.
SLICE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Somebody who is to be put on a list: a number or chat id as it was given, and why."""

    to: str
    reason: str


class SuppressionLists:
    """All lists; `default_region` is the country of numbers without one (None: all are international)."""

    def __init__(self, records: MessageRecords, clock: Clock, default_region: str | None = None) -> None:
        self._records = records
        self._clock = clock
        self._default_region = default_region

    def chat_id(self, to: str) -> str:
        """Return the chat of a person.

        Raises:
            InvalidRecipientError: it is none, or no person's: groups cannot opt out.
        """
        chat_id = chat_id_of(to, self._default_region)
        if not is_person(chat_id):
            raise InvalidRecipientError("to is no person, but a group or a newsletter")
        return chat_id

    async def page(self, user_key: UserKey, after: str, limit: int) -> Sequence[Suppression]:
        """Return the names on a list that stand behind `after` ("": the first ones), at most `limit`."""
        read = partial(suppressions.read_page, user_key=user_key, after=after, limit=limit)
        return await self._records.read(read)

    async def iterate(self, user_key: UserKey) -> AsyncIterator[Suppression]:
        """Go through a whole list."""
        after = ""
        while found := await self.page(user_key, after, SLICE):
            for each in found:
                yield each
            after = found[-1].name_sha256

    async def find(self, user_key: UserKey, to: str) -> Suppression | None:
        """Return what a list says of somebody; None when he is not on it.

        Raises:
            InvalidRecipientError: that is nobody.
        """
        chat_id = await asyncio.to_thread(self.chat_id, to)
        return await self._records.read(partial(suppressions.find, user_key=user_key, chat_id=chat_id))

    async def add(self, user_key: UserKey, wanted: Wanted) -> bool:
        """Put somebody on a list, and cancel what waits for him; return False when he was on it.

        Raises:
            InvalidRecipientError: that is nobody.
            StorageFullError: nothing was changed, or not all is cancelled yet.
        """
        chat_id = await asyncio.to_thread(self.chat_id, wanted.to)
        return bool(await self._add_slice(user_key, {chat_id: wanted.reason}))

    async def add_many(self, user_key: UserKey, chats: Sequence[tuple[str, str]]) -> int:
        """Put many chats on a list, each with a reason; return how many were not on it.

        Raises:
            StorageFullError: some of them are on it now.
        """
        added_count = 0
        for first in range(0, len(chats), SLICE):
            added_count += len(await self._add_slice(user_key, dict(chats[first : first + SLICE])))
        return added_count

    async def remove(self, user_key: UserKey, to: str) -> bool:
        """Take somebody off a list; return False when he was not on it.

        Raises:
            InvalidRecipientError: that is nobody.
            StorageFullError: nothing was changed.
        """
        chat_id = await asyncio.to_thread(self.chat_id, to)
        return await self._records.write(partial(suppressions.remove, user_key=user_key, chat_id=chat_id))

    async def _add_slice(self, user_key: UserKey, reasons: dict[str, str]) -> list[str]:
        at = self._clock.now().at
        added = await self._records.write(partial(_add_all, user_key=user_key, reasons=reasons, at=at))
        for chat_id in await self._records.read(partial(_with_waiting, user_key=user_key, chat_ids=added)):
            while await self._records.tell(partial(_cancel, user_key=user_key, chat_id=chat_id, at=at)):
                pass
        return added


def _add_all(connection: Connection, user_key: UserKey, reasons: dict[str, str], at: float) -> list[str]:
    return [
        chat_id for chat_id, reason in reasons.items() if suppressions.add(connection, user_key, chat_id, reason, at)
    ]


def _with_waiting(connection: Connection, user_key: UserKey, chat_ids: Sequence[str]) -> list[str]:
    return [chat_id for chat_id in chat_ids if suppressions.has_waiting(connection, user_key, chat_id)]


def _cancel(connection: Connection, user_key: UserKey, chat_id: str, at: float) -> tuple[int, Sequence[Event]]:
    events = suppressions.cancel_waiting(connection, user_key, chat_id, at)
    return len(events), events
