"""What the calls about messages work with."""

from collections.abc import Callable

from openwa_manager.api.messaging.people.dependencies import PeopleDependencies
from openwa_manager.domain.session.session import Session
from openwa_manager.domain.values import dataclass
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.services.messaging.acceptance.bulk import BulkAcceptance
from openwa_manager.services.messaging.acceptance.singles import SingleAcceptance
from openwa_manager.services.messaging.control.batch_requests import BatchRequests
from openwa_manager.services.messaging.control.queue_requests import QueueRequests
from openwa_manager.services.messaging.control.views import QueueViews
from openwa_manager.services.messaging.requests import MessageRequests


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagingDependencies:
    """The parts that the calls about messages use.

    `background` brings work to its end although the caller hangs up. `can_send` tells whether a session's engine sends
    messages at all. `default_region` is the country of numbers without one (None: all are international).
    """

    background: BackgroundTasks
    singles: SingleAcceptance
    bulk: BulkAcceptance
    requests: MessageRequests
    batches: BatchRequests
    queues: QueueViews
    queue_requests: QueueRequests
    people: PeopleDependencies
    can_send: Callable[[Session], bool]
    default_region: str | None = None
