"""What takes messages in, on real parts; nothing sends them."""

from collections.abc import Collection
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from openwa_manager.api.messaging.dependencies import MessagingDependencies
from openwa_manager.api.messaging.people.dependencies import PeopleDependencies
from openwa_manager.domain.errors import MediaUnavailableError
from openwa_manager.domain.messaging.messages import BatchId, Message, UserKey
from openwa_manager.domain.messaging.outcomes import MediaFile
from openwa_manager.domain.messaging.pacing import ProfileName, profile_of
from openwa_manager.domain.messaging.sightings import ContactFound
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId
from openwa_manager.metrics.tallies import SendTally
from openwa_manager.services.changes import Changes
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.services.messaging.acceptance.bulk import BulkAcceptance
from openwa_manager.services.messaging.acceptance.forecasting import LaneFacts, LaneForecast
from openwa_manager.services.messaging.acceptance.refusals import Refusals
from openwa_manager.services.messaging.acceptance.rules import Rules
from openwa_manager.services.messaging.acceptance.singles import Gate, SingleAcceptance
from openwa_manager.services.messaging.control.batch_requests import BatchHearers, BatchRequests
from openwa_manager.services.messaging.control.numbers import MessageMeter
from openwa_manager.services.messaging.control.queue_requests import QueueRequests
from openwa_manager.services.messaging.control.views import QueueViews
from openwa_manager.services.messaging.media import MediaRequest
from openwa_manager.services.messaging.outlook import PlainOutlook
from openwa_manager.services.messaging.people.checks import ContactChecks
from openwa_manager.services.messaging.people.erasure import PersonRecords
from openwa_manager.services.messaging.people.quotas import Quotas
from openwa_manager.services.messaging.people.suppressions import SuppressionLists
from openwa_manager.services.messaging.people.user_sessions import UserSessions
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.services.messaging.requests import MessageRequests
from openwa_manager.store.database import Connection, Database
from tests.services.messaging.sending.resting import PACES, resting_queues


@dataclass
class Files:
    """Stands for the media store: a test says what cannot be had."""

    lost: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)
    had: list[MediaRequest] = field(default_factory=list)
    released: list[str] = field(default_factory=list)

    def check_url(self, url: str) -> None:
        if url in self.forbidden:
            raise MediaUnavailableError("the file must not be had")

    async def prefetch(self, request: MediaRequest) -> MediaFile | None:
        if request.url in self.lost:
            raise MediaUnavailableError("the file is gone")
        self.had.append(request)
        return None

    async def release(self, owner: str) -> None:
        self.released.append(owner)


@dataclass
class Outside:
    """What a test says of the rest of the daemon, and what was told to it."""

    suppressed: set[str] = field(default_factory=set)
    woken: list[SessionId] = field(default_factory=list)
    noted: list[Message] = field(default_factory=list)
    touched: list[BatchId] = field(default_factory=list)
    media: Files = field(default_factory=Files)

    def find_suppressed(self, connection: Connection, user_key: UserKey, chat_ids: Collection[str]) -> set[str]:
        del connection, user_key
        return self.suppressed.intersection(chat_ids)


@dataclass(frozen=True)
class Messaging:
    """What a test may touch."""

    records: MessageRecords
    outside: Outside
    gate: Gate
    singles: SingleAcceptance
    bulk: BulkAcceptance
    api: MessagingDependencies
    meter: MessageMeter
    absent: set[str] = field(default_factory=set)


def gate_of(records: MessageRecords, clock: Clock, outside: Outside, rules: Rules | None = None) -> Gate:
    return Gate(
        records=records,
        clock=clock,
        rules=rules or Rules(),
        find_suppressed=outside.find_suppressed,
        check_first_contact=lambda *_: None,
        wake=outside.woken.append,
        note=outside.noted.append,
        refusals=Refusals(clock),
    )


def forecast_of(records: MessageRecords, clock: Clock) -> LaneForecast:
    profile = profile_of(ProfileName.GUIDE)
    return LaneForecast(records, clock, ZoneInfo("UTC"), lambda *_: LaneFacts(profile=profile, send_s=2.0))


def messaging_of(database: Database, clock: Clock, changes: Changes, background: BackgroundTasks) -> Messaging:
    records, outside = MessageRecords(database, clock, changes, lambda _: None), Outside()
    gate = gate_of(records, clock, outside)
    singles = SingleAcceptance(gate)
    absent = set[str]()
    queues = resting_queues(records, clock)
    forecast = forecast_of(records, clock)
    bulk = BulkAcceptance(gate, forecast, outside.media)
    hearers = BatchHearers(wake=gate.wake, look_again=outside.touched.append)
    outlook = PlainOutlook(lambda: clock.now().at, 3.5)
    requests = MessageRequests(records, clock, singles, outlook, gate.wake)
    api = MessagingDependencies(
        background=background,
        singles=singles,
        bulk=bulk,
        requests=requests,
        batches=BatchRequests(records, clock, outlook, forecast.end_at, hearers),
        queues=QueueViews(queues, records, clock, PACES, forecast),
        queue_requests=QueueRequests(queues, records, clock, outside.media.release),
        people=people_of(records, clock, absent),
        can_send=lambda session: session.spec.engine != "command",
    )
    return Messaging(
        records=records,
        outside=outside,
        gate=gate,
        singles=singles,
        bulk=bulk,
        api=api,
        meter=MessageMeter(records, queues, SendTally()),
        absent=absent,
    )


def people_of(records: MessageRecords, clock: Clock, absent: Collection[str]) -> PeopleDependencies:
    """Return what knows people, beside an engine that finds all numbers but the `absent` ones."""

    async def ask(session_id: SessionId, digits: str) -> ContactFound:
        del session_id
        exists = digits not in absent
        return ContactFound(exists=exists, chat_id=f"{digits}@c.us" if exists else None)

    return PeopleDependencies(
        users=UserSessions(records),
        quotas=Quotas(records, clock, ZoneInfo("UTC")),
        suppressions=SuppressionLists(records, clock),
        checks=ContactChecks(records, clock, ask, gap_s=0.0),
        persons=PersonRecords(records, clock),
    )
