"""Gathers what a scrape shows: what it counts itself, and what others know."""

import asyncio
import platform
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from openwa_manager.domain.access.scopes import EVERY_SESSION, SessionScope
from openwa_manager.domain.delivery.events import EndpointId, StoredEvent
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Session, SessionId, Usage
from openwa_manager.domain.values import dataclass
from openwa_manager.host.capacity import free_disk_bytes, free_memory_bytes
from openwa_manager.metrics.durations import LOOP_LAG_S, Durations
from openwa_manager.metrics.scrape import (
    EngineNumbers,
    HostNumbers,
    OutstandingDeliveries,
    PartialScrape,
    Scrape,
    SessionNumbers,
)
from openwa_manager.metrics.tallies import DeliveryTally, EngineCpu, RequestTally, SessionTally
from openwa_manager.services.messaging.control.numbers import MessageMeter
from openwa_manager.services.monitoring.probe_records import ProbeRecords
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.store.database import Database
from openwa_manager.store.delivery import outbox

#: How often the event loop's lateness is looked at; it costs a wake-up each.
_PERIOD_S = 1.0
#: How long (s) what was found to be the oldest waiting event is told again: finding it looks at every stream, and the
#: connection that does so is needed by others.
_OLDEST_KEPT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSources:
    """Who knows what a scrape shows.

    `endpoints` tells which of those for sessions in a scope only are up. `moves` and `requests` are counted by those
    who are given them. `home` is on the disk whose room is told.
    """

    sessions: SessionDirectory
    database: Database
    usage: Callable[[SessionId], Usage | None]
    cpu: EngineCpu
    probes: ProbeRecords
    endpoints: Callable[[SessionScope], Awaitable[Mapping[EndpointId, bool]]]
    deliveries: DeliveryTally
    messages: MessageMeter
    moves: SessionTally
    requests: RequestTally
    home: Path


class MetricsCollector:
    """Counts restarts, measures the loop, and asks others for the rest; single sessions only if they are wanted."""

    def __init__(self, version: str, clock: Clock, sources: MetricSources, *, is_per_session: bool) -> None:
        self._version = version
        self._clock = clock
        self._sources = sources
        self._is_per_session = is_per_session
        self._restarts: Counter[str] = Counter()
        self._loop_lag = Durations(LOOP_LAG_S)
        self._finding = asyncio.Lock()
        self._oldest_at: float | None = None
        self._oldest_until_s = 0.0  # on the boot clock

    def note(self, stored: Sequence[StoredEvent]) -> None:
        """Count the restarts among these events, and forget the sessions that are deleted."""
        for each in stored:
            event = each.event
            if event.type == "session.restarted":
                self._restarts[str(event.data.get("reason"))] += 1
            elif event.type == "session.deleted" and event.session_id is not None:
                self._sources.cpu.forget(event.session_id)

    async def run(self) -> None:
        """Measure how late the loop is until cancelled; its clock leaves out the host's sleep."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _PERIOD_S
            await asyncio.sleep(_PERIOD_S)
            self._loop_lag.note(max(0.0, loop.time() - due_s))

    async def read_within(self, scope: SessionScope) -> Scrape | PartialScrape:
        """Return what may be known of a scope as it is now: of one with limits, what its sessions are."""
        if scope.is_unlimited:
            return await self.read()
        sessions = self._sources.sessions.list_sessions(scope)
        waiting, acks_overdue = await self._sources.messages.read_some({each.session_id for each in sessions})
        return PartialScrape(
            version=self._version,
            python=platform.python_version(),
            sessions=Counter(session.status for session in sessions),
            each=self._each_of(sessions),
            endpoints=await self._sources.endpoints(scope),
            waiting=waiting,
            acks_overdue=acks_overdue,
        )

    async def read(self) -> Scrape:
        """Return everything as it is now."""
        sources = self._sources
        sessions, starts = sources.sessions.list_sessions(), sources.sessions.start_counts()
        return Scrape(
            version=self._version,
            python=platform.python_version(),
            sessions=Counter(session.status for session in sessions),
            each=self._each_of(sessions),
            restarts=self._restarts,
            adoption_s=starts.adoption_s,
            queue_length=starts.queued,
            engines=self._engines_of(sessions),
            host=await asyncio.to_thread(_measure_host, sources.home),
            moves=sources.moves,
            endpoints=await sources.endpoints(EVERY_SESSION),
            outstanding=await self._read_outstanding(),
            deliveries=sources.deliveries,
            commit=sources.database.commit_times,
            loop_lag=self._loop_lag,
            messages=await sources.messages.read(),
            requests=sources.requests,
        )

    async def _read_outstanding(self) -> OutstandingDeliveries:
        pending, dead = await self._sources.database.read(outbox.count_undelivered)
        oldest_at = await self._find_oldest() if pending else None
        age_s = 0.0 if oldest_at is None else max(0.0, self._clock.now().at - oldest_at)
        return OutstandingDeliveries(pending=pending, dead=dead, oldest_s=age_s)

    async def _find_oldest(self) -> float | None:
        """Return when the oldest event that waits happened (wall time), as it was a few seconds ago at the earliest."""
        async with self._finding:
            if self._clock.now().boot_s >= self._oldest_until_s:
                self._oldest_at = await self._sources.database.read(outbox.oldest_undelivered_at)
                self._oldest_until_s = self._clock.now().boot_s + _OLDEST_KEPT_S
            return self._oldest_at

    def _engines_of(self, sessions: Sequence[Session]) -> EngineNumbers:
        used = [usage for each in sessions if (usage := self._sources.usage(each.session_id))]
        return EngineNumbers(
            rss_bytes=sum(each.rss_bytes for each in used),
            cpu_s=self._sources.cpu.total_s,
            probe_misses=self._sources.probes.miss_count,
        )

    def _each_of(self, sessions: Sequence[Session]) -> Sequence[SessionNumbers]:
        if not self._is_per_session:
            return ()
        return [
            SessionNumbers(
                session_id=each.session_id,
                status=each.status,
                usage=self._sources.usage(each.session_id),
                cpu_s=self._sources.cpu.of(each.session_id),
            )
            for each in sessions
        ]


def _measure_host(home: Path) -> HostNumbers:
    """Return what the host has left; what cannot be measured (too many open files, as a rule) is left out."""
    return HostNumbers(
        memory_available_bytes=_or_none(free_memory_bytes),
        disk_free_bytes=_or_none(partial(free_disk_bytes, home)),
    )


def _or_none(measure: Callable[[], int]) -> int | None:
    try:
        return measure()
    except OSError:
        return None
