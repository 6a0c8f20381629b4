"""All that tells the world what happens, on real parts."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from openwa_manager.api.delivery.event_stream import StreamTiming
from openwa_manager.domain.delivery.delivery import DeliveryPolicy
from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.domain.errors import BacklogFullError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.host.clock import SystemClock
from openwa_manager.services.delivery.attempts import DeliveryWorker, EnvelopeWriter
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.services.delivery.backpressure import Backpressure
from openwa_manager.services.delivery.broadcaster import Broadcaster
from openwa_manager.services.delivery.deliveries import Deliveries
from openwa_manager.services.delivery.dispatcher import Dispatcher
from openwa_manager.services.delivery.endpoints import EndpointRules, Endpoints
from openwa_manager.store.database import Database
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.sender import Sender

#: Signs of life come soon, and nobody waits long for a reader.
PACE = StreamTiming(comment_s=0.05, stall_s=0.3)


class SettableRoom(Backpressure):
    """The real one, and a backlog that the test fills."""

    is_full = False

    async def require_room(self, session_id: SessionId) -> None:
        """Refuse everything while it is full.

        Raises:
            BacklogFullError: it is.
        """
        if self.is_full:
            raise BacklogFullError("full")
        await super().require_room(session_id)


@dataclass
class Channels:
    """What a test may touch."""

    dispatcher: Dispatcher
    broadcaster: Broadcaster
    endpoints: Endpoints
    deliveries: Deliveries
    room: SettableRoom
    sender: Sender
    background: BackgroundTasks

    def announce(self, stored: Sequence[StoredEvent]) -> None:
        """Let everybody know of new events."""
        self.dispatcher.wake(stored)
        self.broadcaster.wake()


@asynccontextmanager
async def channels_of(
    database: Database, envelope_writer: EnvelopeWriter, rules: EndpointRules | None = None
) -> AsyncIterator[Channels]:
    """Build them on a database; endpoints may be on this host, and are tried again soon."""
    clock, guard = SystemClock(), AddressGuard(allow_private=True)
    policy = DeliveryPolicy(schedule_s=(0.0, 0.05, 0.05))
    async with Sender(guard) as sender:
        delivery_worker = DeliveryWorker(database, sender, clock, envelope_writer, policy, lambda: 0.5)
        broadcaster = Broadcaster(database, clock)
        dispatcher = Dispatcher(database, clock, delivery_worker, policy, broadcaster.wake)
        background = BackgroundTasks()
        given = rules or EndpointRules(check_url=guard.check_url, has_url=True, has_secret=True)
        endpoints = Endpoints(database, delivery_worker, dispatcher, background, clock, given)
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(background.run())
            room = SettableRoom(database, clock)
            deliveries = Deliveries(database, dispatcher, background)
            yield Channels(dispatcher, broadcaster, endpoints, deliveries, room, sender, background)
            run.cancel()
