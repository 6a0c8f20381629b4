"""Shows how much of a month a user has taken, and sets how much that may be."""

from functools import partial
from zoneinfo import ZoneInfo

from openwa_manager.domain.messaging.messages import key_of_user
from openwa_manager.domain.messaging.quotas import month_of, resets_at
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.messaging import quotas
from openwa_manager.store.messaging.quotas import QuotaUse


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaView:
    """What a user has taken of this month, and when the next one begins (wall time)."""

    use: QuotaUse
    resets_at: float


class Quotas:
    """The quotas of all users; months are counted in `zone`."""

    def __init__(self, records: MessageRecords, clock: Clock, zone: ZoneInfo) -> None:
        self._records = records
        self._clock = clock
        self._zone = zone

    async def show(self, user_id: str) -> QuotaView:
        """Return what the user has taken of this month; nothing for one that nobody knows."""
        at = self._clock.now().at
        read = partial(quotas.read_quota, user_key=key_of_user(user_id), month=month_of(at, self._zone))
        return QuotaView(use=await self._records.read(read), resets_at=resets_at(at, self._zone))

    async def set_limit(self, user_id: str, limit: int | None) -> QuotaView:
        """Set how many messages the user may send in a month, and show it; None: any number.

        What was accepted stays so, although a lower limit would not have let it.

        Raises:
            StorageFullError: nothing was changed.
        """
        await self._records.write(partial(quotas.set_limit, user_key=key_of_user(user_id), limit=limit))
        return await self.show(user_id)
