"""Puts `/api` together: OpenWA's own API, each session served by a process of its own."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field

from openwa_manager.api.gateway.forwarding import Forwarding
from openwa_manager.api.gateway.instance import InstanceRoutes, refuse_unknown
from openwa_manager.api.gateway.kept.asking import ChangeTeller
from openwa_manager.api.gateway.kept.copies import EngineCopies
from openwa_manager.api.gateway.kept.webhooks import UserWebhooks
from openwa_manager.api.gateway.lines import EngineLines
from openwa_manager.api.gateway.media.guard import MediaGuard
from openwa_manager.api.gateway.routes import own_route
from openwa_manager.api.gateway.sends.bulk import BulkSends
from openwa_manager.api.gateway.sends.sending import Sending
from openwa_manager.api.gateway.session_finder import SessionFinder
from openwa_manager.api.gateway.sessions import GatewaySessions
from openwa_manager.api.routing import Route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.session.session import SessionId, Usage
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.openwa import OpenwaEngine
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.services.messaging.gateway.batches import GatewayBatches
from openwa_manager.services.messaging.gateway.sends import GatewaySends
from openwa_manager.services.monitoring.data_inspector import DataInspector
from openwa_manager.services.monitoring.health import HealthReader
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.sessions.engine_inbox import EngineInbox
from openwa_manager.services.sessions.requests import SessionRequests
from openwa_manager.store.database import Database
from openwa_manager.webhooks.names import NameService, Resolve
from openwa_manager.webhooks.sender import Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayDependencies:
    """The parts of the daemon that the gateway uses.

    `engines` are those that speak OpenWA's API, by the name sessions know them by. `sender` posts to the users'
    webhooks, `resolve` finds the hosts that media are fetched from. `usage` tells what a session's engine used when
    last measured (None: not measured), `kill` kills a session's engine, `version` is this daemon's, `now` is wall time.
    """

    sessions: SessionDirectory
    requests: SessionRequests
    inbox: EngineInbox
    engines: Mapping[str, OpenwaEngine]
    sends: GatewaySends
    batches: GatewayBatches
    background: BackgroundTasks
    database: Database
    sender: Sender
    health: HealthReader
    inspector: DataInspector
    usage: Callable[[SessionId], Usage | None]
    kill: Callable[[SessionId], Awaitable[None]]
    version: str
    now: Callable[[], float]
    resolve: Resolve = field(default_factory=lambda: NameService().resolve)


def gateway_routes(dependencies: GatewayDependencies) -> tuple[Route, ...]:
    """Return every route below `/api`."""
    sessions = dependencies.sessions
    finder = SessionFinder(sessions)
    teller = ChangeTeller(sessions, dependencies.engines)
    webhooks = UserWebhooks(dependencies.database, dependencies.sender.guard, teller, dependencies.now)
    copies = EngineCopies(dependencies.database, teller)
    kept = (webhooks, copies)
    allowed_hosts = (host for engine in dependencies.engines.values() for host in engine.context.allowed_hosts)
    media = MediaGuard(allowed_hosts, dependencies.resolve, dependencies.sender.guard.strict())
    lines = EngineLines(finder=finder, engines=dependencies.engines)
    sending = Sending(
        sends=dependencies.sends,
        inspector=dependencies.inspector,
        media=media,
        background=dependencies.background,
        find=lines.find,
        leave=lines.ask,
    )
    bulk = BulkSends(batches=dependencies.batches, lines=lines, media=media, background=dependencies.background)
    forwarding = Forwarding(inbox=dependencies.inbox, lines=lines, sending=sending, bulk=bulk, kept=kept, media=media)
    own = GatewaySessions(dependencies.requests, finder, forwarding, copies, dependencies.usage, dependencies.kill)
    return (
        *InstanceRoutes(sessions, finder, dependencies.health, dependencies.version, dependencies.now).table(),
        *own.table(),
        *forwarding.table(),
        own_route("GET /api/webhooks", Action.READ_ENGINE, webhooks.list_webhooks, {200: ("application/json",)}),
        own_route("GET /api/search", Action.READ_CHATS, forwarding.search, {}),
        own_route("* /api/{rest:.*}", Action.ASK_GATEWAY, refuse_unknown, {}),
    )
