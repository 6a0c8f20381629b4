"""Puts the control plane together: the table of all routes, each with its guard before it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field, replace
from functools import partial
from itertools import product

from aiohttp import web

from openwa_manager.api.access.audit import AuditRoutes
from openwa_manager.api.access.dependencies import AccessDependencies
from openwa_manager.api.access.keys import KeyRoutes
from openwa_manager.api.access.recorder import AuditRecorder
from openwa_manager.api.admission.admission import Admission
from openwa_manager.api.admission.body_terms import defer_expectation
from openwa_manager.api.admission.guard import Guards
from openwa_manager.api.admission.limits import CallLimits, StartLimits
from openwa_manager.api.builds.builds import BuildDependencies, BuildRoutes
from openwa_manager.api.delivery.deliveries import DeliveryRoutes
from openwa_manager.api.delivery.endpoints import EndpointRoutes
from openwa_manager.api.delivery.event_stream import StreamTiming
from openwa_manager.api.delivery.events import EventRoutes
from openwa_manager.api.docs.docs import DocsRoutes
from openwa_manager.api.gateway.app import GatewayDependencies, gateway_routes
from openwa_manager.api.gateway.resource import SessionResource
from openwa_manager.api.gateway.routes import SESSION_PREFIX
from openwa_manager.api.gateway.session_finder import SessionFinder
from openwa_manager.api.host.doctor import DoctorRoutes
from openwa_manager.api.host.health import HealthRoutes
from openwa_manager.api.host.metrics import MetricsRoutes
from openwa_manager.api.host.system import HostFacts, SystemRoutes
from openwa_manager.api.messaging.batches import BatchRoutes
from openwa_manager.api.messaging.bulk import BulkRoutes
from openwa_manager.api.messaging.dependencies import MessagingDependencies
from openwa_manager.api.messaging.messages import MessageRoutes
from openwa_manager.api.messaging.people.contacts import ContactRoutes
from openwa_manager.api.messaging.people.quotas import QuotaRoutes
from openwa_manager.api.messaging.people.suppressions import SuppressionRoutes
from openwa_manager.api.messaging.queue import QueueRoutes
from openwa_manager.api.openapi import DESCRIPTION, OpenapiRoutes
from openwa_manager.api.pairing.links import PairingDependencies, PairingLinkRoutes
from openwa_manager.api.pairing.pages import PairingPageRoutes
from openwa_manager.api.paths.index import PathIndex
from openwa_manager.api.requests import BODY_MAX_BYTES
from openwa_manager.api.routing import Route, Unmatched
from openwa_manager.api.sessions.logs import LogRoutes
from openwa_manager.api.sessions.qr import QrRoutes
from openwa_manager.api.sessions.registry import RegistryRoutes
from openwa_manager.api.sessions.sessions import Recipes, SessionRoutes
from openwa_manager.api.sessions.why import WhyRoutes
from openwa_manager.domain.access.scopes import SessionScope
from openwa_manager.domain.session.session import SessionId, Usage
from openwa_manager.domain.values import dataclass
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.metrics.scrape import PartialScrape, Scrape
from openwa_manager.metrics.tallies import RequestTally
from openwa_manager.services.access.audit import Audit
from openwa_manager.services.access.audit_trail import AuditTrail
from openwa_manager.services.delivery.broadcaster import Broadcaster
from openwa_manager.services.delivery.deliveries import Deliveries
from openwa_manager.services.delivery.endpoints import Endpoints
from openwa_manager.services.diagnosis.doctor import Doctor
from openwa_manager.services.monitoring.health import HealthReader
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.sessions.requests import SessionRequests
from openwa_manager.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiDependencies:
    """The parts of the daemon that the routes use.

    `usage` tells what a session's engine used when last measured (None: not measured), `pairing_window_s` how long
    unscanned codes are shown.
    """

    sessions: SessionDirectory
    requests: SessionRequests
    health: HealthReader
    doctor: Doctor
    usage: Callable[[SessionId], Usage | None]
    database: Database
    audit: Audit
    files: EngineFiles
    broadcaster: Broadcaster
    endpoints: Endpoints
    deliveries: Deliveries
    messaging: MessagingDependencies
    access: AccessDependencies
    pairing: PairingDependencies
    builds: BuildDependencies
    recipes: Recipes
    facts: HostFacts
    pairing_window_s: float
    measure: Callable[[SessionScope], Awaitable[Scrape | PartialScrape]]
    request_tally: RequestTally
    timing: StreamTiming = field(default_factory=StreamTiming)


def control_app(admission: Admission, dependencies: ApiDependencies, gateway: GatewayDependencies) -> web.Application:
    """Return the application that answers all calls but those of the engines."""
    calls = make_calls(dependencies, gateway)
    description = OpenapiRoutes(calls, dependencies.facts.version)
    table = (*calls, *description.table())
    finder = SessionFinder(dependencies.sessions)
    guards = Guards(
        admission=admission,
        recorder=AuditRecorder(dependencies.audit, finder.find),
        calls=CallLimits(admission.limits, admission.hold_s),
        starts=StartLimits(admission.limits, finder.find),
        tally=dependencies.request_tally,
    )
    app = web.Application(client_max_size=BODY_MAX_BYTES)
    app[DESCRIPTION] = description
    app.on_response_prepare.append(guards.prepare)
    app.on_shutdown.append(partial(_end_streams, dependencies))
    _add_routes(app.router, table, guards)
    return app


def _add_routes(router: web.UrlDispatcher, table: Sequence[Route], guards: Guards) -> None:
    """Have the router find each route's guard."""
    index = PathIndex()
    guarded = [replace(each, handler=guards.before(each)) for each in table]
    router.register_resource(SessionResource([each for each in guarded if each.path.startswith(SESSION_PREFIX)]))
    for each in guarded:
        if each.path.startswith(SESSION_PREFIX):
            continue
        methods = (each.method, "HEAD") if each.method == "GET" else (each.method,)
        paths = (each.path,) if each.path.endswith(("/", "*}")) else (each.path, f"{each.path}/")
        for path, method in product(paths, methods):  # a method that follows at the same path shares its pattern
            index.add(router.add_route(method, path, each.handler, expect_handler=defer_expectation), path)
    unmatched = Unmatched(router, guards.before(None))
    router.register_resource(unmatched)
    find = router.resolve

    async def resolve(request: web.Request) -> web.UrlMappingMatchInfo:
        """Have a guard also before what aiohttp's router refuses itself: a target that is no path."""
        if (indexed := index.find(request)) is not None:
            return indexed
        match = await find(request)
        return match if match.http_exception is None else await unmatched.match(request)

    router.resolve = resolve  # type: ignore[method-assign] # Application takes no router of ours any more


async def _end_streams(dependencies: ApiDependencies, _: web.Application) -> None:
    """End the event streams, which would else keep the server waiting until its time-out."""
    dependencies.broadcaster.close()
    dependencies.pairing.links.close()


def make_table(dependencies: ApiDependencies, gateway: GatewayDependencies) -> tuple[Route, ...]:
    """Return every route there is."""
    calls = make_calls(dependencies, gateway)
    return (*calls, *OpenapiRoutes(calls, dependencies.facts.version).table())


def make_calls(dependencies: ApiDependencies, gateway: GatewayDependencies) -> tuple[Route, ...]:
    """Return every route but the one that describes them."""
    sessions, facts, people = dependencies.sessions, dependencies.facts, dependencies.messaging.people
    nouns = (
        HealthRoutes(sessions, dependencies.health),
        SessionRoutes(sessions, dependencies.requests, dependencies.recipes, dependencies.usage, people.users),
        QrRoutes(sessions, dependencies.requests, dependencies.pairing_window_s),
        PairingLinkRoutes(dependencies.pairing),
        PairingPageRoutes(dependencies.pairing, dependencies.timing),
        LogRoutes(sessions, dependencies.files),
        EventRoutes(sessions, dependencies.database, dependencies.broadcaster, facts.host, dependencies.timing),
        EndpointRoutes(dependencies.endpoints),
        DeliveryRoutes(dependencies.deliveries),
        MessageRoutes(sessions, dependencies.messaging),
        QuotaRoutes(people.quotas, people.users),
        SuppressionRoutes(sessions, people),
        ContactRoutes(sessions, people),
        QueueRoutes(sessions, dependencies.messaging),
        BulkRoutes(sessions, dependencies.messaging),
        BatchRoutes(sessions, dependencies.messaging),
        WhyRoutes(sessions, dependencies.messaging.queues, dependencies.health.next_probe_at),
        KeyRoutes(dependencies.access.keys),
        RegistryRoutes(sessions),
        SystemRoutes(sessions, facts),
        DoctorRoutes(dependencies.doctor),
        MetricsRoutes(dependencies.measure),
        AuditRoutes(AuditTrail(dependencies.database)),
        BuildRoutes(dependencies.builds, sessions),
        DocsRoutes(),
    )
    return (*(each for noun in nouns for each in noun.table()), *gateway_routes(gateway))
