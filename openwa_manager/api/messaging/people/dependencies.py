"""What the calls about people work with."""

from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.people.checks import ContactChecks
from openwa_manager.services.messaging.people.erasure import PersonRecords
from openwa_manager.services.messaging.people.quotas import Quotas
from openwa_manager.services.messaging.people.suppressions import SuppressionLists
from openwa_manager.services.messaging.people.user_sessions import UserSessions


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleDependencies:
    """The parts that the calls about people use."""

    users: UserSessions
    quotas: Quotas
    suppressions: SuppressionLists
    checks: ContactChecks
    persons: PersonRecords
