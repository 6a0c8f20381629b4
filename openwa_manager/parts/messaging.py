"""Builds the queue of messages: what takes them in, keeps them and shows them."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from openwa_manager.api.messaging.dependencies import MessagingDependencies
from openwa_manager.config.policies import messaging_policy
from openwa_manager.domain.session.session import Session
from openwa_manager.parts.basis import Basis
from openwa_manager.parts.delivery import DeliveryParts
from openwa_manager.parts.hosting import Hosting, openwa_engines
from openwa_manager.services.messaging.acceptance.rules import Rules
from openwa_manager.services.messaging.acceptance.singles import Gate, SingleAcceptance
from openwa_manager.services.messaging.outlook import PlainOutlook
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.services.messaging.requests import MessageRequests

#: How long an engine takes to send, as long as nothing was measured.
_SEND_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagingParts:
    """The queue of messages, and what the API asks of it."""

    records: MessageRecords
    api: MessagingDependencies


def build_messaging(basis: Basis, hosting: Hosting, delivery: DeliveryParts) -> MessagingParts:
    """Build what handles messages; nothing runs yet."""
    clock, policy = basis.clock, messaging_policy(basis.settings)
    records = MessageRecords(basis.database, clock, basis.changes, lambda _: None)
    gate = Gate(
        records=records,
        clock=clock,
        rules=Rules(ttl_s=policy.ttl_s, zone=ZoneInfo(policy.time_zone), default_region=policy.default_region),
        find_suppressed=lambda *_: (),
        check_first_contact=lambda *_: None,
        wake=lambda _: None,
        note=lambda _: None,
    )
    singles = SingleAcceptance(gate)
    mean_gap_s = (policy.pace.gap_min_s + policy.pace.gap_max_s) / 2
    outlook = PlainOutlook(lambda: clock.now().at, mean_gap_s + _SEND_S)
    engines = openwa_engines(hosting.engines)

    def can_send(session: Session) -> bool:
        return session.spec.engine in engines

    return MessagingParts(
        records=records,
        api=MessagingDependencies(
            background=delivery.background,
            singles=singles,
            requests=MessageRequests(records, clock, singles, outlook, gate.wake),
            can_send=can_send,
            default_region=policy.default_region,
        ),
    )
