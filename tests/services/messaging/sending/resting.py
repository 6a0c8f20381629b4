"""Queues that nobody runs: they can be looked at, and send nothing."""

from pathlib import Path
from zoneinfo import ZoneInfo

from openwa_manager.domain.messaging.messages import Message
from openwa_manager.domain.messaging.pacing import Gap, ProfileName, profile_of
from openwa_manager.domain.messaging.retries import RetryPolicy
from openwa_manager.domain.ports import Clock
from openwa_manager.host.media.owned_files import OwnedFiles
from openwa_manager.services.messaging.media import MediaLimits, MediaStore
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.services.messaging.sending.attempts import Attempts
from openwa_manager.services.messaging.sending.clock_guard import ClockGuard
from openwa_manager.services.messaging.sending.queue_parts import Paces, QueueParts
from openwa_manager.services.messaging.sending.queues import Queues
from openwa_manager.services.messaging.sending.reach import EngineReach
from openwa_manager.services.messaging.sending.sender import MessageSender
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.downloads import Downloader

_GAP = Gap(min_s=1.2, max_s=1.8)
PACES = Paces(
    profiles={each: profile_of(each, _GAP) for each in ProfileName}, default=ProfileName.GUIDE, zone=ZoneInfo("UTC")
)


def no_media(place: Path, clock: Clock) -> MediaStore:
    """Return a store of files for tests without media."""
    return MediaStore(OwnedFiles(place), Downloader(AddressGuard()), clock, MediaLimits())


def resting_queues(records: MessageRecords, clock: Clock) -> Queues:
    """Return queues of sessions that have no engine."""

    async def check(message: Message) -> bool | None:
        del message
        return None

    attempts = Attempts(records, clock, RetryPolicy(), lambda at: PACES.day(at).isoformat())
    parts = QueueParts(
        records=records,
        clock=clock,
        chance=lambda: 0.5,
        reach=EngineReach(lambda _: None, {}, lambda _: Path("/nowhere")),
        sender=MessageSender(records, attempts, clock, no_media(Path("/nowhere"), clock), check),
        paces=PACES,
        clock_guard=ClockGuard(clock),
        ttl_s=86_400.0,
    )
    return Queues(parts)
