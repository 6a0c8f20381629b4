"""Builds what tells the endpoints and the readers of the event stream."""

import platform
import random

from openwa_manager.config.policies import (
    delivery_policy,
)
from openwa_manager.domain.values import dataclass
from openwa_manager.parts.basis import Basis
from openwa_manager.parts.sessions import SessionParts
from openwa_manager.services.delivery.announcer import Announcer
from openwa_manager.services.delivery.attempts import DeliveryWorker, EnvelopeWriter
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.services.delivery.broadcaster import Broadcaster
from openwa_manager.services.delivery.dispatcher import Dispatcher
from openwa_manager.services.delivery.endpoints import EndpointRules, Endpoints
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.sender import Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryParts:
    """What tells the endpoints and the readers of the event stream."""

    sender: Sender
    broadcaster: Broadcaster
    dispatcher: Dispatcher
    background: BackgroundTasks
    endpoints: Endpoints
    announcer: Announcer


def build_delivery(basis: Basis, sessions: SessionParts) -> DeliveryParts:
    """Build what tells the outside; nothing runs yet."""
    settings, database, clock = basis.settings, basis.database, basis.clock
    exempt = (settings.upstream_url,) if settings.upstream_url else ()
    guard = AddressGuard(allow_private=settings.allow_private_endpoints, exempt=exempt)
    sender, policy, broadcaster = Sender(guard), delivery_policy(settings), Broadcaster(database, clock)
    writer = EnvelopeWriter(host=platform.node(), qr_image=sessions.directory.qr_image_of)
    worker = DeliveryWorker(database, sender, clock, writer, policy, random.random)
    dispatcher, background = Dispatcher(database, clock, worker, policy, broadcaster.wake), BackgroundTasks()
    has_url, has_secret = settings.upstream_url is not None, settings.upstream_secret is not None
    rules = EndpointRules(
        check_url=guard.check_url,
        has_url=has_url,
        has_secret=has_secret,
        has_events=settings.upstream_events is not None,
    )
    return DeliveryParts(
        sender=sender,
        broadcaster=broadcaster,
        dispatcher=dispatcher,
        background=background,
        endpoints=Endpoints(database, worker, dispatcher, background, clock, rules),
        announcer=Announcer(database, clock, basis.changes),
    )
