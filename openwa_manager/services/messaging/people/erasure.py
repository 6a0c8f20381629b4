"""Shows all that is kept of one person, and forgets it."""

from collections.abc import AsyncIterator, Sequence
from functools import partial

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import Message, UserKey
from openwa_manager.domain.messaging.recipients import digits_of
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging.people import aliases, checks, erasure, suppressions
from openwa_manager.store.messaging.people.checks import NumberCheck
from openwa_manager.store.messaging.people.suppressions import Suppression


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What is known of a person beside the messages; `known_in` are sessions, and since when (wall time)."""

    names: Sequence[str]
    known_in: Sequence[tuple[SessionId, float]]
    check: NumberCheck | None
    suppression: Suppression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How many messages were removed, and how many could not be, because they are just being sent."""

    message_count: int
    left_count: int


class PersonRecords:
    """What is kept of people."""

    def __init__(self, records: MessageRecords, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    async def show(self, user_key: UserKey, chat_id: str) -> Person:
        """Return what is known of a person beside the messages."""
        return await self._records.read(partial(_read, user_key=user_key, chat_id=chat_id, at=self._clock.now().at))

    async def messages(self, user_key: UserKey, chat_id: str) -> AsyncIterator[Message]:
        """Go through the messages to a person, oldest first."""
        read = partial(erasure.read_messages_with, user_key=user_key, chat_id=chat_id)
        after = 0
        while found := await self._records.read(partial(read, after=after)):
            for each in found:
                yield each
            after = found[-1].seq

    async def erase(self, user_key: UserKey, chat_id: str) -> Erased:
        """Forget a person: call off what waits, remove what has ended, and all that is known of him.

        While a message is left his names are kept, so that the next call finds it under each.

        Raises:
            StorageFullError: some of it is forgotten.
        """
        at = self._clock.now().at
        while await self._records.tell(partial(_call_off, user_key=user_key, chat_id=chat_id, at=at)):
            pass
        message_count = 0
        remove = partial(erasure.remove_ended, user_key=user_key, chat_id=chat_id)
        while count := await self._records.write(remove):
            message_count += count
        left_count = await self._records.write(partial(_forget, user_key=user_key, chat_id=chat_id))
        return Erased(message_count=message_count, left_count=left_count)


def _read(connection: Connection, user_key: UserKey, chat_id: str, at: float) -> Person:
    names = aliases.names_of(connection, user_key, chat_id)
    numbers = [digits for name in names if (digits := digits_of(name)) is not None]
    sessions = aliases.sessions_of(connection, user_key)
    found = [check for digits in numbers if (check := checks.find_check(connection, sessions, digits, at)) is not None]
    return Person(
        names=names,
        known_in=erasure.known_in(connection, user_key, chat_id),
        check=found[0] if found else None,
        suppression=suppressions.find(connection, user_key, chat_id),
    )


def _call_off(connection: Connection, user_key: UserKey, chat_id: str, at: float) -> tuple[int, Sequence[Event]]:
    events = erasure.call_off(connection, user_key, chat_id, at)
    return len(events), events


def _forget(connection: Connection, user_key: UserKey, chat_id: str) -> int:
    left_count = erasure.count_left(connection, user_key, chat_id)
    if not left_count:
        erasure.forget_person(connection, user_key, chat_id)
    return left_count
