"""Counts the messages of all sessions for those who watch the daemon."""

from collections import Counter
from collections.abc import Collection, Mapping

from openwa_manager.domain.messaging.messages import HoldCode
from openwa_manager.domain.session.session import SessionId
from openwa_manager.metrics.scrape import NO_HOLD, MessageNumbers
from openwa_manager.metrics.tallies import SendTally
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.services.messaging.sending.choosing import Situation, hold_of, sub_hold
from openwa_manager.services.messaging.sending.queues import Queues
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging.upkeep import numbers
from openwa_manager.store.messaging.upkeep.numbers import Line


class MessageMeter:
    """Reads no message: each number is kept by the database, or known to the queues since they looked last."""

    def __init__(self, records: MessageRecords, queues: Queues, sends: SendTally) -> None:
        self._records = records
        self._queues = queues
        self._sends = sends

    async def read(self) -> MessageNumbers:
        """Return the numbers of this moment."""
        totals, waiting, overdue = await self._records.read(_read)
        return MessageNumbers(
            totals=totals, waiting=self._by_hold(waiting), acks_overdue=sum(overdue.values()), sends=self._sends
        )

    async def read_some(self, session_ids: Collection[SessionId]) -> tuple[Mapping[str, int], int]:
        """Return how many messages of these sessions wait, by hold, and how many acknowledgements are overdue."""
        _, waiting, overdue = await self._records.read(_read)
        theirs = {line: count for line, count in waiting.items() if line[0] in session_ids}
        return self._by_hold(theirs), sum(count for each, count in overdue.items() if each in session_ids)

    def _by_hold(self, waiting: Mapping[Line, int]) -> Mapping[str, int]:
        by_hold: Counter[str] = Counter()
        for line, count in waiting.items():
            by_hold[_hold_of(line, self._queues.seen(line[0]))] += count
        return by_hold


def _read(
    connection: Connection,
) -> tuple[Mapping[tuple[str, str], int], Mapping[Line, int], Mapping[SessionId, int]]:
    return (
        numbers.count_outcomes(connection),
        numbers.count_waiting(connection),
        numbers.count_overdue_acks(connection),
    )


def _hold_of(line: Line, seen: Situation | None) -> str:
    """Return what holds a line; one of which nothing is ready is waiting for its time."""
    if seen is None:
        return NO_HOLD
    held = hold_of(seen, is_first_contact=False)
    if held is not None:
        return held.code
    _, batch_id, is_first_contact = line
    for candidate in seen.outlook.candidates:
        message = candidate.message
        if (message.origin.batch_id, message.recipient.is_first_contact) == (batch_id, is_first_contact):
            held = sub_hold(candidate, seen)
            return held.code if held else NO_HOLD
    return HoldCode.SEND_AFTER
