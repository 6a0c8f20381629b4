"""Reads what is known of one session, and of the endpoints, in the form that the rules take."""

from collections.abc import Sequence
from functools import partial

from openwa_manager.domain.delivery.delivery import DEFAULT_ENDPOINT, LastAnswer
from openwa_manager.domain.diagnosis.endpoint_rules import EndpointFacts
from openwa_manager.domain.diagnosis.session_rules import REFUSALS, Refusal, SessionFacts
from openwa_manager.domain.messaging.batches import Batch
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.delivery.endpoints import Endpoints, EndpointStatus
from openwa_manager.services.messaging.acceptance.refusals import Refusals
from openwa_manager.services.messaging.control.views import QueueViews
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery.deliveries import find_last_tried
from openwa_manager.store.messaging import batches, queues

_HOUR_S = 3600.0
_BATCHES_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Who is asked; `has_upstream_secret` tells whether the settings name the secret of the endpoint `default`."""

    clock: Clock
    database: Database
    queues: QueueViews
    refusals: Refusals
    endpoints: Endpoints
    has_upstream_secret: bool

    async def of_session(self, session: Session) -> SessionFacts:
        """Return what is known of a session now."""
        at = self.clock.now().at
        view = await self.queues.view(session.session_id)
        read = partial(queues.group_bad_endings, session_id=session.session_id, since=at - _HOUR_S)
        return SessionFacts(
            session=session,
            at=at,
            hold=view.hold,
            waiting=view.by_hold,
            failure_share=view.throughput.failure_share,
            endings=await self.database.read(read),
            refusals=[*self.refusals.of(session.session_id), *await self._of_batches(session, at - _HOUR_S)],
        )

    async def _of_batches(self, session: Session, since: float) -> list[Refusal]:
        """Return what the session's newest batches did not take in of what they were given since then."""
        read = partial(_newest_batches, session_id=session.session_id)
        rejected = [each for each in await self.database.read(read) if each.created_at >= since]
        return [
            Refusal(code=code, count=count, since=batch.created_at)
            for batch in rejected
            for code, count in batch.rejected.items()
            if code in REFUSALS
        ]

    async def of_endpoint(self, status: EndpointStatus) -> EndpointFacts:
        """Return what is known of an endpoint now."""
        endpoint = status.endpoint
        is_set = endpoint.endpoint_id != DEFAULT_ENDPOINT or self.has_upstream_secret
        failure = await self._failure(status)
        return EndpointFacts(
            endpoint_id=endpoint.endpoint_id,
            word=status.word,
            pending_count=status.pending_count,
            secret_chars=len(endpoint.secret),
            is_secret_set=is_set,
            last_status=failure.status,
            last_error=failure.error if failure.status is None else None,
        )

    async def _failure(self, status: EndpointStatus) -> LastAnswer:
        """Return how the last attempt at an endpoint failed; an empty answer when it did not, or nobody knows.

        What was tried before the daemon began is read from what waits.
        """
        last = status.health.last
        if last != LastAnswer() or not status.pending_count:
            return LastAnswer() if last.error is None else last
        read = partial(find_last_tried, endpoint_id=status.endpoint.endpoint_id)
        tried = await self.database.read(read)
        return LastAnswer() if tried is None else LastAnswer(status=tried.last_status, error=tried.last_error)


def _newest_batches(connection: Connection, session_id: SessionId) -> Sequence[Batch]:
    newest = batches.read_page(connection, session_id, None, _BATCHES_MAX)
    return list(batches.find_batches(connection, newest).values())
