"""Puts the control plane together: the table of all routes, and the middleware before them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product

from aiohttp import web

from openwa_manager.api.admission.authenticator import Authenticator
from openwa_manager.api.admission.authorizer import Authorizer
from openwa_manager.api.admission.body_terms import agree_on_body, defer_expectation
from openwa_manager.api.admission.host_check import HostCheck
from openwa_manager.api.delivery.deliveries import DeliveryRoutes
from openwa_manager.api.delivery.endpoints import EndpointRoutes
from openwa_manager.api.delivery.event_stream import StreamTiming
from openwa_manager.api.delivery.events import EventRoutes
from openwa_manager.api.errors import answer_errors
from openwa_manager.api.gateway.app import GatewayDependencies, gateway_routes
from openwa_manager.api.gateway.errors import answer_as_openwa
from openwa_manager.api.gateway.resource import SessionResource
from openwa_manager.api.gateway.routes import SESSION_PREFIX
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
from openwa_manager.api.middleware import AnswerLog, assign_request_id, cut_broken_answer, prepare_answer
from openwa_manager.api.openapi import OpenapiRoutes
from openwa_manager.api.requests import BODY_MAX_BYTES
from openwa_manager.api.routing import Route, Unmatched
from openwa_manager.api.sessions.logs import LogRoutes
from openwa_manager.api.sessions.qr import QrRoutes
from openwa_manager.api.sessions.registry import RegistryRoutes
from openwa_manager.api.sessions.sessions import Recipes, SessionRoutes
from openwa_manager.api.sessions.why import WhyRoutes
from openwa_manager.domain.session.session import SessionId, Usage
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.metrics import Scrape
from openwa_manager.services.delivery.broadcaster import Broadcaster
from openwa_manager.services.delivery.deliveries import Deliveries
from openwa_manager.services.delivery.endpoints import Endpoints
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
    usage: Callable[[SessionId], Usage | None]
    database: Database
    files: EngineFiles
    broadcaster: Broadcaster
    endpoints: Endpoints
    deliveries: Deliveries
    messaging: MessagingDependencies
    recipes: Recipes
    facts: HostFacts
    pairing_window_s: float
    measure: Callable[[], Awaitable[Scrape]]
    timing: StreamTiming = field(default_factory=StreamTiming)


def control_app(
    host_check: HostCheck, authenticator: Authenticator, dependencies: ApiDependencies, gateway: GatewayDependencies
) -> web.Application:
    """Return the application that answers all calls but those of the engines."""
    table = make_table(dependencies, gateway)
    admission = (host_check.check, authenticator.check, Authorizer(table).check, agree_on_body)
    app = web.Application(
        middlewares=[
            assign_request_id,
            AnswerLog().log,
            answer_errors,
            answer_as_openwa,
            cut_broken_answer,
            *admission,
        ],
        client_max_size=BODY_MAX_BYTES,
    )
    app.on_response_prepare.append(prepare_answer)
    app.on_shutdown.append(partial(_end_streams, dependencies.broadcaster))
    _add_routes(app.router, table)
    return app


def _add_routes(router: web.UrlDispatcher, table: Sequence[Route]) -> None:
    router.register_resource(SessionResource([each for each in table if each.path.startswith(SESSION_PREFIX)]))
    for each in table:
        if each.path.startswith(SESSION_PREFIX):
            continue
        methods = (each.method, "HEAD") if each.method == "GET" else (each.method,)
        paths = (each.path,) if each.path.endswith(("/", "*}")) else (each.path, f"{each.path}/")
        for method, path in product(methods, paths):
            router.add_route(method, path, each.handler, expect_handler=defer_expectation)
    router.register_resource(Unmatched(router))


async def _end_streams(broadcaster: Broadcaster, _: web.Application) -> None:
    """End the event streams, which would else keep the server waiting until its time-out."""
    broadcaster.close()


def make_table(dependencies: ApiDependencies, gateway: GatewayDependencies) -> tuple[Route, ...]:
    """Return every route there is."""
    sessions, facts = dependencies.sessions, dependencies.facts
    nouns = (
        HealthRoutes(sessions, dependencies.health),
        SessionRoutes(sessions, dependencies.requests, dependencies.recipes, dependencies.usage),
        QrRoutes(sessions, dependencies.requests, dependencies.pairing_window_s),
        LogRoutes(sessions, dependencies.files),
        EventRoutes(sessions, dependencies.database, dependencies.broadcaster, facts.host, dependencies.timing),
        EndpointRoutes(dependencies.endpoints),
        DeliveryRoutes(dependencies.deliveries),
        MessageRoutes(sessions, dependencies.messaging),
        QuotaRoutes(dependencies.messaging.people.quotas),
        SuppressionRoutes(sessions, dependencies.messaging.people.suppressions),
        ContactRoutes(sessions, dependencies.messaging.people),
        QueueRoutes(sessions, dependencies.messaging),
        BulkRoutes(sessions, dependencies.messaging),
        BatchRoutes(sessions, dependencies.messaging),
        WhyRoutes(sessions, dependencies.messaging.queues),
        RegistryRoutes(sessions),
        SystemRoutes(sessions, facts),
        MetricsRoutes(dependencies.measure),
    )
    table = (*(each for noun in nouns for each in noun.table()), *gateway_routes(gateway))
    return (*table, *OpenapiRoutes(table, facts.version).table())
