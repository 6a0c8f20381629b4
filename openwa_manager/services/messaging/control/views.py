"""What a session's queue looks like to people: how much waits and why, how fast it goes, and how well."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from openwa_manager.domain.messaging.messages import BatchId, Hold, HoldCode, Message, MessageStatus
from openwa_manager.domain.messaging.pacing import PacingProfile
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.acceptance.forecasting import LaneForecast
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.services.messaging.sending.choosing import Send, Situation, choose, hold_of, sub_hold
from openwa_manager.services.messaging.sending.queue_parts import Paces
from openwa_manager.services.messaging.sending.queues import Queues
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import heads, outlook, queues
from openwa_manager.store.messaging.heads import SubQueue
from openwa_manager.store.messaging.queues import QueueRow

_MINUTE_S, _HOUR_S = 60.0, 3600.0
#: So many failures in an hour may mean more than that some messages were wrong.
_FAILING_COUNT = 5
_SENT = frozenset({MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.READ})
_FAILED = frozenset({MessageStatus.FAILED, MessageStatus.BOUNCED, MessageStatus.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """How many messages left in the last minute and hour; `failure_share` None: none ended in that hour."""

    sent_per_minute: int
    sent_per_hour: int
    failure_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """A session's queue; `by_hold` counts what waits by what holds it (None: nothing does, it is being sent in turn).

    `hold` is what holds all of it. `next_message` is the first that may leave (None: none may now). `free_at` is when
    the gap is over. `first_contacts_left` None: any number. `estimated_at` is when the last leaves (None: unknown).
    """

    row: QueueRow
    profile: PacingProfile
    hold: Hold | None
    by_status: Mapping[MessageStatus, int]
    by_hold: Mapping[HoldCode | None, int]
    next_message: Message | None
    free_at: float
    first_contacts_today: int
    first_contacts_left: int | None
    throughput: Throughput
    estimated_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    sub_queues: list[SubQueue]
    asleep: Counter[tuple[BatchId, bool, HoldCode]]
    by_status: Mapping[MessageStatus, int]
    last_minute: Counter[MessageStatus]
    last_hour: Counter[MessageStatus]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueBrief:
    """What matters of a session's queue to those who watch the session.

    `hold` is what holds all that waits (None: nothing does, or nothing waits). `last_hour` counts what ended in that
    time by the state it is in now.
    """

    waiting_count: int
    hold: Hold | None
    overdue_count: int
    last_hour: Mapping[MessageStatus, int]

    @property
    def is_failing(self) -> bool:
        """Tell whether most of what was sent in the last hour did not get through, whoever it was for."""
        failed = self.last_hour.get(MessageStatus.FAILED, 0) + self.last_hour.get(MessageStatus.UNKNOWN, 0)
        sent = sum(self.last_hour.get(status, 0) for status in _SENT)
        return failed >= _FAILING_COUNT and failed > sent


class QueueViews:
    """Shows queues; nothing here changes one."""

    def __init__(
        self, queues: Queues, records: MessageRecords, clock: Clock, paces: Paces, forecast: LaneForecast
    ) -> None:
        self._queues = queues
        self._forecast = forecast
        self._records = records
        self._clock = clock
        self._paces = paces

    async def brief(self, session_id: SessionId) -> QueueBrief:
        """Return what matters to those who watch the session; a session without messages costs next to nothing."""
        read = partial(_read_brief, session_id=session_id, now=self._clock.now().at)
        brief = await self._records.read(read)
        if not brief.waiting_count:
            return brief
        situation = await self._queues.situation(session_id)
        return replace(brief, hold=hold_of(situation, is_first_contact=False))

    async def view(self, session_id: SessionId) -> QueueView:
        """Return the session's queue as it is now."""
        situation = await self._queues.situation(session_id)
        row, now = situation.row, self._clock.now().at
        counts = await self._records.read(partial(_read, session_id=session_id, now=now))
        choice = choose(situation)
        free_s = max(0.0, situation.lane.free_boot_s - situation.now.boot_s)
        return QueueView(
            row=row,
            profile=self._paces.of(row),
            hold=hold_of(situation, is_first_contact=False),
            by_status=counts.by_status,
            by_hold=_by_hold(situation, counts),
            next_message=choice.candidate.message if isinstance(choice, Send) else None,
            free_at=now + free_s,
            first_contacts_today=row.day_first_contacts if row.day == self._paces.day(now).isoformat() else 0,
            first_contacts_left=self._paces.first_contacts_left(row, now),
            throughput=_throughput(counts),
            estimated_at=await self._empty_at(situation) if counts.sub_queues else None,
        )

    async def _empty_at(self, situation: Situation) -> float | None:
        """Return when the last message leaves (wall time); None: nobody can tell when what holds some of them ends."""
        now, lane = situation.now, situation.lane
        held, firsts_held = (hold_of(situation, is_first_contact=is_first) for is_first in (False, True))
        lines = (sub_hold(each, situation) for each in situation.outlook.candidates)
        if any(hold is not None and hold.until is None for hold in (held, *lines)):
            return None
        starts_at = now.at + max(0.0, lane.free_boot_s - now.boot_s)
        first_free_at = now.at + max(0.0, lane.first_contact_free_boot_s - now.boot_s)
        return await self._forecast.empty_at(
            situation.row.session_id,
            starts_at=max(starts_at, (held and held.until) or 0.0),
            first_contact_free_at=max(first_free_at, (firsts_held and firsts_held.until) or 0.0),
        )


def _read_brief(connection: Connection, session_id: SessionId, now: float) -> QueueBrief:
    row = queues.read_queue(connection, session_id)
    return QueueBrief(
        waiting_count=sum(each.message_count for each in heads.read_sub_queues(connection, session_id)),
        hold=row.held,
        overdue_count=row.overdue_count,
        last_hour=queues.count_ended(connection, session_id, now - _HOUR_S),
    )


def _read(connection: Connection, session_id: SessionId, now: float) -> _Counts:
    return _Counts(
        sub_queues=heads.read_sub_queues(connection, session_id),
        asleep=outlook.count_asleep(connection, session_id),
        by_status=heads.count_by_status(connection, session_id),
        last_minute=queues.count_ended(connection, session_id, now - _MINUTE_S),
        last_hour=queues.count_ended(connection, session_id, now - _HOUR_S),
    )


def _by_hold(situation: Situation, counts: _Counts) -> Mapping[HoldCode | None, int]:
    total = sum(each.message_count for each in counts.sub_queues)
    held = hold_of(situation, is_first_contact=False)
    if held is not None:
        return {held.code: total} if total else {}
    by_hold: Counter[HoldCode | None] = Counter()
    asleep: Counter[tuple[str, bool]] = Counter()
    for (batch_id, is_first, code), count in counts.asleep.items():
        by_hold[code] += count
        asleep[batch_id, is_first] += count
    holds = {
        (each.message.origin.batch_id, each.message.recipient.is_first_contact): sub_hold(each, situation)
        for each in situation.outlook.candidates
    }
    for each in counts.sub_queues:
        line = each.batch_id, each.is_first_contact
        hold = holds.get(line)
        by_hold[hold.code if hold else None] += each.message_count - asleep[line]
    return {code: count for code, count in by_hold.items() if count > 0}


def _throughput(counts: _Counts) -> Throughput:
    sent = sum(counts.last_hour[status] for status in _SENT)
    failed = sum(counts.last_hour[status] for status in _FAILED)
    return Throughput(
        sent_per_minute=sum(counts.last_minute[status] for status in _SENT),
        sent_per_hour=sent,
        failure_share=failed / (sent + failed) if sent + failed else None,
    )
