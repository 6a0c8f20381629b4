"""Queues that send through real engines."""

from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from openwa_manager.domain.messaging.messages import Message
from openwa_manager.domain.messaging.pacing import Gap, ProfileName, profile_of
from openwa_manager.domain.messaging.retries import RetryPolicy
from openwa_manager.domain.ports import Clock
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.services.messaging.sending.attempts import Attempts
from openwa_manager.services.messaging.sending.clock_guard import ClockGuard
from openwa_manager.services.messaging.sending.queue_parts import Paces, QueueParts
from openwa_manager.services.messaging.sending.queues import Queues
from openwa_manager.services.messaging.sending.reach import EngineReach
from openwa_manager.services.messaging.sending.sender import MessageSender
from tests.services.messaging.sending.resting import no_media


@dataclass(frozen=True)
class QueueLane:
    """The queues, and what they are made of."""

    parts: QueueParts
    attempts: Attempts
    queues: Queues


def queue_lane(records: MessageRecords, clock: Clock, reach: EngineReach, gap_s: float) -> QueueLane:
    """Return queues in which every gap lasts `gap_s`."""
    gap = Gap(min_s=gap_s, max_s=gap_s)
    zone = ZoneInfo("UTC")
    profiles = {each: profile_of(each, gap) for each in ProfileName}
    paces = Paces(profiles=profiles, default=ProfileName.GUIDE, zone=zone)
    attempts = Attempts(records, clock, RetryPolicy(), lambda at: paces.day(at).isoformat())
    parts = QueueParts(
        records=records,
        clock=clock,
        chance=lambda: 0.5,
        reach=reach,
        sender=MessageSender(records, attempts, clock, no_media(Path("/nowhere"), clock), _unchecked),
        paces=paces,
        clock_guard=ClockGuard(clock),
        ttl_s=86_400.0,
    )
    return QueueLane(parts, attempts, Queues(parts))


async def _unchecked(message: Message) -> bool | None:
    del message
    return None
