"""Tells when a batch will have been sent, behind all that waits in its session already."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import isinf
from zoneinfo import ZoneInfo

from openwa_manager.domain.messaging.batches import Batch
from openwa_manager.domain.messaging.forecast import LaneOutlook, Work, finish_times, typing_s, works_of
from openwa_manager.domain.messaging.messages import BatchId
from openwa_manager.domain.messaging.pacing import PacingProfile
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.acceptance.bulk import Load
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.services.messaging.sending.queue_parts import Paces
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import batches, heads
from openwa_manager.store.messaging.heads import SubQueue
from openwa_manager.store.messaging.queues import read_queue

#: How long texts are that are not looked at.
_CHARS_GUESSED = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneFacts:
    """How a session sends: its pace, how long a send takes (None: none was measured), since when it is linked.

    `linked_at` None: it is not yet; its first day will be a later one. `first_contacts_today` were sent today.
    """

    profile: PacingProfile
    send_s: float | None = None
    linked_at: float | None = None
    first_contacts_today: int = 0


#: Tells how a session sends at a wall time.
FindLaneFacts = Callable[[Connection, SessionId, float], LaneFacts]


def lane_facts(paces: Paces) -> FindLaneFacts:
    """Return what tells how a session sends by what is known of its queue."""

    def find(connection: Connection, session_id: SessionId, now: float) -> LaneFacts:
        row = read_queue(connection, session_id)
        is_of_today = row.day == paces.day(now).isoformat()
        return LaneFacts(
            profile=paces.of(row),
            send_s=row.send_s,
            linked_at=row.linked_at,
            first_contacts_today=row.day_first_contacts if is_of_today else 0,
        )

    return find


class LaneForecast:
    """Plays the lane of a session as it will be; `facts` tells how a session sends at a wall time."""

    def __init__(
        self,
        records: MessageRecords,
        clock: Clock,
        zone: ZoneInfo,
        facts: FindLaneFacts,
    ) -> None:
        self._records = records
        self._clock = clock
        self._zone = zone
        self._facts = facts

    async def finish_at(self, session: Session, load: Load) -> float:
        """Return when the last message of a load is sent, if nothing happens (wall time; infinity: never)."""
        lane = await self._lane(session.session_id)
        own = works_of(load.is_first_contact, window=load.terms.window, not_before_at=load.terms.send_after or 0.0)
        outlook = self._outlook(lane, load.char_count)
        times = await asyncio.to_thread(finish_times, (*lane.works.values(), *own), outlook)
        return max(times[len(lane.works) :], default=lane.now)

    async def end_at(self, batch: Batch) -> float | None:
        """Return when the last message that waits in a batch is sent, if nothing happens (wall time).

        None: none waits, or it never is.
        """
        lane = await self._lane(batch.origin.session_id)
        times = await asyncio.to_thread(finish_times, tuple(lane.works.values()), self._outlook(lane, _CHARS_GUESSED))
        end_at = dict(zip(lane.works, times, strict=True)).get(batch.batch_id)
        return None if end_at is None or isinf(end_at) else end_at

    async def empty_at(self, session_id: SessionId, starts_at: float, first_contact_free_at: float) -> float | None:
        """Return when the last message that waits in a session is sent, if nothing happens (wall time).

        `starts_at` is when its lane is free, `first_contact_free_at` when first contacts may be sent. None: none waits,
        or the last never is sent.
        """
        lane = await self._lane(session_id)
        outlook = replace(
            self._outlook(lane, _CHARS_GUESSED),
            starts_at=max(lane.now, starts_at),
            first_contact_free_at=first_contact_free_at,
        )
        times = await asyncio.to_thread(finish_times, tuple(lane.works.values()), outlook)
        return None if not times or isinf(max(times)) else max(times)

    async def _lane(self, session_id: SessionId) -> "_Lane":
        now = self._clock.now().at
        return await self._records.read(partial(_read, session_id=session_id, facts=self._facts, now=now))

    def _outlook(self, lane: "_Lane", char_count: float) -> LaneOutlook:
        facts = lane.facts
        return LaneOutlook(
            starts_at=lane.now,
            seconds_per_send=typing_s(round(char_count)) if facts.send_s is None else facts.send_s,
            profile=facts.profile,
            zone=self._zone,
            linked_at=lane.now if facts.linked_at is None else facts.linked_at,
            first_contacts_today=facts.first_contacts_today,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """How a session sends, and what waits in it at wall time `now`, by batch, in its order."""

    facts: LaneFacts
    works: Mapping[BatchId, Work]
    now: float


def _read(connection: Connection, session_id: SessionId, facts: FindLaneFacts, now: float) -> _Lane:
    waiting = heads.read_sub_queues(connection, session_id)
    found = batches.find_batches(connection, sorted({each.batch_id for each in waiting if each.batch_id}))
    return _Lane(facts=facts(connection, session_id, now), works=_works_of(waiting, found), now=now)


def _works_of(waiting: Sequence[SubQueue], found: Mapping[BatchId, Batch]) -> Mapping[BatchId, Work]:
    """Return what waits as work: singles go first, then the batches, the oldest first."""
    counts: dict[BatchId, dict[bool, int]] = defaultdict(dict)
    for each in waiting:
        counts[each.batch_id][each.is_first_contact] = each.message_count
    ordered = sorted(counts, key=lambda batch_id: found[batch_id].created_at if batch_id in found else 0.0)
    return {batch_id: _work_of(counts[batch_id], found.get(batch_id)) for batch_id in ordered}


def _work_of(counts: Mapping[bool, int], batch: Batch | None) -> Work:
    terms = batch.terms if batch else None
    return Work(
        known=counts.get(False, 0),
        first_contacts=counts.get(True, 0),
        window=terms.window if terms else None,
        not_before_at=(terms.send_after if terms else None) or 0.0,
    )
