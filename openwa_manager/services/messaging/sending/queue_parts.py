"""What all queues work with."""

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import date
from zoneinfo import ZoneInfo

from openwa_manager.domain.messaging.holds import Until
from openwa_manager.domain.messaging.messages import MessageId
from openwa_manager.domain.messaging.pacing import Gap, PacingProfile, ProfileName, day_number, first_contacts_left
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.values import dataclass
from openwa_manager.domain.zones import day_of, next_day_at
from openwa_manager.metrics.tallies import SendTally
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.services.messaging.sending.clock_guard import ClockGuard
from openwa_manager.services.messaging.sending.reach import EngineReach
from openwa_manager.services.messaging.sending.sender import MessageSender
from openwa_manager.store.messaging.queues import QueueRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Paces:
    """How fast sessions send: the profiles there are, the one of a session that has none of its own, and whose days."""

    profiles: Mapping[ProfileName, PacingProfile]
    default: ProfileName
    zone: ZoneInfo

    @property
    def gap(self) -> Gap:
        """Return the gap that lies between any two messages."""
        return self.profiles[self.default].gap

    def of(self, row: QueueRow) -> PacingProfile:
        """Return the profile of this queue."""
        name = self.default if row.profile is None else ProfileName(row.profile)
        return self.profiles[name]

    def day(self, at: float) -> date:
        """Return the day on which a moment counts."""
        return day_of(at, self.zone)

    def first_contacts_left(self, row: QueueRow, at: float) -> int | None:
        """Return how many first contacts the queue may still write to today; None: any number."""
        linked_at = at if row.linked_at is None else row.linked_at
        cap = self.of(row).cap_on(day_number(linked_at, at, self.zone))
        counted = row.day_first_contacts if row.day == self.day(at).isoformat() else 0
        return first_contacts_left(cap, counted)

    def cap(self, row: QueueRow, at: float) -> Until | None:
        """Return from when on more first contacts are allowed; None: now."""
        if self.first_contacts_left(row, at) != 0:
            return None
        detail = "so many people were written to for the first time today as this number may; it goes on tomorrow"
        return Until(at=next_day_at(at, self.zone), detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueParts:
    """Shared by all queues; `chance` draws from [0, 1), `ttl_s` is how long a message may wait.

    `in_flight` are the messages that requests of the gateway are sending now.
    """

    records: MessageRecords
    clock: Clock
    chance: Callable[[], float]
    reach: EngineReach
    sender: MessageSender
    paces: Paces
    clock_guard: ClockGuard
    ttl_s: float
    in_flight: set[MessageId] = field(default_factory=set)
    tally: SendTally = field(default_factory=SendTally)
