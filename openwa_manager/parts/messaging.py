"""Builds the queue of messages: what takes them in, keeps them, shows them and sends them."""

import random
from collections.abc import Callable
from zoneinfo import ZoneInfo

from openwa_manager.api.messaging.dependencies import MessagingDependencies
from openwa_manager.api.messaging.people.dependencies import PeopleDependencies
from openwa_manager.config.policies import messaging_policy
from openwa_manager.domain.errors import SessionNotFoundError
from openwa_manager.domain.messaging.pacing import Gap, ProfileName, profile_of
from openwa_manager.domain.messaging.policy import MessagingPolicy
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.host.media.owned_files import OwnedFiles
from openwa_manager.metrics.tallies import SendTally
from openwa_manager.parts.basis import Basis
from openwa_manager.parts.delivery import DeliveryParts
from openwa_manager.parts.hosting import openwa_engines
from openwa_manager.parts.people import build_people
from openwa_manager.parts.sessions import SessionParts
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.services.messaging.acceptance.bulk import BulkAcceptance
from openwa_manager.services.messaging.acceptance.forecasting import LaneForecast, lane_facts
from openwa_manager.services.messaging.acceptance.refusals import Refusals
from openwa_manager.services.messaging.acceptance.rules import Rules
from openwa_manager.services.messaging.acceptance.singles import Gate, SingleAcceptance
from openwa_manager.services.messaging.batches import BatchProgress
from openwa_manager.services.messaging.control.batch_requests import BatchHearers, BatchRequests
from openwa_manager.services.messaging.control.first_contacts import FirstContactCap
from openwa_manager.services.messaging.control.numbers import MessageMeter
from openwa_manager.services.messaging.control.queue_requests import QueueRequests
from openwa_manager.services.messaging.control.session_endings import SessionEndings
from openwa_manager.services.messaging.control.views import QueueViews
from openwa_manager.services.messaging.gateway.batches import GatewayBatches
from openwa_manager.services.messaging.gateway.sends import GatewaySends
from openwa_manager.services.messaging.media import MediaLimits, MediaStore
from openwa_manager.services.messaging.prefetch import Prefetch
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.services.messaging.requests import MessageRequests
from openwa_manager.services.messaging.sending.attempts import Attempts
from openwa_manager.services.messaging.sending.clock_guard import ClockGuard
from openwa_manager.services.messaging.sending.queue_parts import Paces, QueueParts
from openwa_manager.services.messaging.sending.queues import Queues
from openwa_manager.services.messaging.sending.reach import EngineReach
from openwa_manager.services.messaging.sending.sender import MessageSender
from openwa_manager.store.messaging.people.suppressions import find_suppressed
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.downloads import Downloader
from openwa_manager.webhooks.names import NameResolver, NameService

#: How long a name may take that media are fetched from.
_NAME_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagingParts:
    """The queue of messages, and what the API asks of it."""

    records: MessageRecords
    reach: EngineReach
    downloader: Downloader
    media: MediaStore
    paces: Paces
    queues: Queues
    progress: BatchProgress
    prefetch: Prefetch
    meter: MessageMeter
    gateway: GatewaySends
    gateway_batches: GatewayBatches
    refusals: Refusals
    api: MessagingDependencies

    @property
    def services(self) -> tuple[Queues | Prefetch | BatchProgress | GatewaySends, ...]:
        """Return those with a life of their own, in the order in which they start."""
        return self.queues, self.prefetch, self.progress, self.gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ways:
    """How messages get to the disk and out of the door."""

    policy: MessagingPolicy
    records: MessageRecords
    reach: EngineReach
    media: MediaStore
    paces: Paces
    people: PeopleDependencies
    tally: SendTally


def build_messaging(basis: Basis, sessions: SessionParts, delivery: DeliveryParts) -> MessagingParts:
    """Build what handles messages; nothing runs yet."""
    clock, policy, dependencies = basis.clock, messaging_policy(basis.settings), sessions.dependencies
    downloader = Downloader(_media_guard(sessions))
    records = MessageRecords(basis.database, clock, basis.changes, basis.generations.note)
    reach = EngineReach(_finder(sessions), dependencies.engines, dependencies.directory)
    ways = _Ways(
        policy=policy,
        records=records,
        reach=reach,
        media=MediaStore(OwnedFiles(basis.home.media), downloader, clock, MediaLimits()),
        paces=_paces(policy),
        people=build_people(records, clock, policy, reach),
        tally=SendTally(),
    )
    lanes, prefetch = _build_queues(ways, clock), Prefetch(ways.media, ways.records, clock)
    queues, intake = lanes.queues, _build_intake(ways, lanes.queues, prefetch, clock)
    progress = BatchProgress(
        ways.records, clock, intake.bulk, intake.forecast.end_at, ways.media.release, policy.batch_progress_s
    )
    intake.bulk.accepted.subscribe(progress.look_again)
    basis.changes.events_stored.subscribe(progress.note)
    api = _build_calls(ways, queues, intake, progress, clock, delivery.background)
    endings = SessionEndings(queues, api.queue_requests, ways.records, clock, ways.media.release)
    basis.changes.session_ending.subscribe(endings.settle)
    return MessagingParts(
        records=ways.records,
        reach=ways.reach,
        downloader=downloader,
        media=ways.media,
        paces=ways.paces,
        queues=queues,
        progress=progress,
        prefetch=prefetch,
        meter=MessageMeter(records, queues, ways.tally),
        gateway=GatewaySends(intake.gate, lanes.parts, lanes.attempts, queues, basis.settings.send_hold_s),
        refusals=intake.gate.refusals,
        gateway_batches=GatewayBatches(records, clock, intake.bulk, api.batches, ways.media),
        api=api,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Intake:
    """How messages are taken in."""

    gate: Gate
    singles: SingleAcceptance
    bulk: BulkAcceptance
    forecast: LaneForecast


def _build_intake(ways: _Ways, queues: Queues, prefetch: Prefetch, clock: Clock) -> _Intake:
    policy, records = ways.policy, ways.records
    gate = Gate(
        records=records,
        clock=clock,
        rules=Rules(ttl_s=policy.ttl_s, zone=ZoneInfo(policy.time_zone), default_region=policy.default_region),
        find_suppressed=find_suppressed,
        check_first_contact=FirstContactCap(ways.paces).require,
        wake=queues.wake,
        note=prefetch.note,
        refusals=Refusals(clock),
    )
    forecast = LaneForecast(records, clock, gate.rules.zone, lane_facts(ways.paces))
    bulk = BulkAcceptance(gate, forecast, ways.media)
    return _Intake(gate=gate, singles=SingleAcceptance(gate), bulk=bulk, forecast=forecast)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lanes:
    """The queues, and what they are made of."""

    parts: QueueParts
    attempts: Attempts
    queues: Queues


def _build_queues(ways: _Ways, clock: Clock) -> _Lanes:
    attempts = Attempts(ways.records, clock, ways.policy.retries, lambda at: ways.paces.day(at).isoformat(), ways.tally)
    parts = QueueParts(
        records=ways.records,
        clock=clock,
        chance=random.random,
        reach=ways.reach,
        sender=MessageSender(ways.records, attempts, clock, ways.media, ways.people.checks.is_on_whatsapp),
        paces=ways.paces,
        clock_guard=ClockGuard(clock),
        ttl_s=ways.policy.ttl_s,
        tally=ways.tally,
    )
    return _Lanes(parts=parts, attempts=attempts, queues=Queues(parts))


def _build_calls(
    ways: _Ways, queues: Queues, intake: _Intake, progress: BatchProgress, clock: Clock, background: BackgroundTasks
) -> MessagingDependencies:
    records = ways.records
    hearers = BatchHearers(wake=queues.wake, look_again=progress.look_again)
    return MessagingDependencies(
        background=background,
        singles=intake.singles,
        bulk=intake.bulk,
        requests=MessageRequests(records, clock, intake.singles, queues, queues.wake),
        batches=BatchRequests(records, clock, queues, intake.forecast.end_at, hearers),
        queues=QueueViews(queues, records, clock, ways.paces, intake.forecast),
        queue_requests=QueueRequests(queues, records, clock, ways.media.release),
        people=ways.people,
        can_send=ways.reach.can_send,
        default_region=ways.policy.default_region,
    )


def _finder(sessions: SessionParts) -> Callable[[SessionId], Session | None]:
    def find(session_id: SessionId) -> Session | None:
        try:
            return sessions.directory.get(session_id)
        except SessionNotFoundError:
            return None

    return find


def _paces(policy: MessagingPolicy) -> Paces:
    gap = Gap(min_s=policy.pace.gap_min_s, max_s=policy.pace.gap_max_s)
    profiles = {name: profile_of(name, gap) for name in ProfileName}
    return Paces(profiles=profiles, default=policy.pace.profile, zone=ZoneInfo(policy.time_zone))


def _media_guard(sessions: SessionParts) -> AddressGuard:
    """Return what lets media be fetched from public hosts, and from those that the admin lets engines ask too."""
    engines = openwa_engines(sessions.dependencies.engines)
    hosts = tuple(host for engine in engines.values() for host in engine.context.allowed_hosts)
    names = NameResolver(NameService(within_s=_NAME_WITHIN_S).resolve)
    return AddressGuard(hosts=hosts, permitted_by="SSRF_ALLOWED_HOSTS in engine_env", names=names)
