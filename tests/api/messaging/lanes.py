"""Queues that send through real engines."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from openwa_manager.domain.messaging.messages import Message
from openwa_manager.domain.messaging.pacing import Gap, ProfileName, profile_of
from openwa_manager.domain.messaging.retries import RetryPolicy
from openwa_manager.services.messaging.acceptance.singles import Gate
from openwa_manager.services.messaging.gateway.sends import GatewaySends
from openwa_manager.services.messaging.media import MediaStore
from openwa_manager.services.messaging.sending.attempts import Attempts
from openwa_manager.services.messaging.sending.clock_guard import ClockGuard
from openwa_manager.services.messaging.sending.queue_parts import Paces, QueueParts
from openwa_manager.services.messaging.sending.queues import Queues
from openwa_manager.services.messaging.sending.reach import EngineReach
from openwa_manager.services.messaging.sending.sender import MessageSender

#: How long a send of the gateway waits for its turn.
HOLD_S = 20.0


@dataclass(frozen=True)
class QueueLane:
    """The queues, what they are made of, and what sends through them for callers."""

    parts: QueueParts
    queues: Queues
    sends: GatewaySends


def queue_lane(gate: Gate, reach: EngineReach, gap_s: float, media: MediaStore) -> QueueLane:
    """Return queues in which every gap lasts `gap_s`."""
    records, clock = gate.records, gate.clock
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
        sender=MessageSender(records, attempts, clock, media, _unchecked),
        paces=paces,
        clock_guard=ClockGuard(clock),
        ttl_s=86_400.0,
    )
    queues = Queues(parts)
    return QueueLane(parts, queues, GatewaySends(gate, parts, attempts, queues, HOLD_S))


async def _unchecked(message: Message) -> bool | None:
    del message
    return None
