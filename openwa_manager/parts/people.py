"""Builds what answers the calls about people: quotas, opt-outs, who is on WhatsApp."""

from zoneinfo import ZoneInfo

from openwa_manager.api.messaging.people.dependencies import PeopleDependencies
from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.messaging.policy import MessagingPolicy
from openwa_manager.domain.messaging.sightings import ContactFound
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.messaging.people.checks import ContactChecks
from openwa_manager.services.messaging.people.erasure import PersonRecords
from openwa_manager.services.messaging.people.quotas import Quotas
from openwa_manager.services.messaging.people.suppressions import SuppressionLists
from openwa_manager.services.messaging.people.user_sessions import UserSessions
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.services.messaging.sending.reach import EngineReach


def build_people(
    records: MessageRecords, clock: Clock, policy: MessagingPolicy, reach: EngineReach
) -> PeopleDependencies:
    """Build what knows people; nothing runs yet."""

    async def ask(session_id: SessionId, digits: str) -> ContactFound:
        reached = reach.reach(session_id)
        if reached is None:
            raise EngineError("the session is not connected")
        return await reached.engine.check_contact(reached.session, reached.launch, digits)

    return PeopleDependencies(
        users=UserSessions(records),
        quotas=Quotas(records, clock, ZoneInfo(policy.time_zone)),
        suppressions=SuppressionLists(records, clock, policy.default_region),
        checks=ContactChecks(records, clock, ask, policy.pace.check_gap_s),
        persons=PersonRecords(records, clock),
    )
