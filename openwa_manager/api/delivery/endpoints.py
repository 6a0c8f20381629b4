"""Makes, shows, changes and tests the endpoints that events go to; a secret is shown once, when it is new."""

from typing import TypeVar, assert_never

from aiohttp import web

from openwa_manager.api.access.records import name_in_record
from openwa_manager.api.admission.rights import require_events, require_patterns
from openwa_manager.api.delivery.responses import EndpointOut, EndpointsOut, NewEndpointOut, TrialOut
from openwa_manager.api.lists.pages import Listing, answer_list
from openwa_manager.api.requests import EndpointChange, EndpointIn, Nothing, RequestModel, RotationIn
from openwa_manager.api.responses import timestamp
from openwa_manager.api.routing import Call, Route, json_answer, json_of, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.delivery.delivery import (
    EVERY_TYPE,
    AttemptResult,
    Delivered,
    Endpoint,
    Gone,
    Rejected,
    Retry,
)
from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.domain.errors import EndpointNotFoundError
from openwa_manager.domain.times import iso8601
from openwa_manager.domain.urls import without_password
from openwa_manager.services.delivery.attempts import EndpointTest
from openwa_manager.services.delivery.endpoints import (
    ENDPOINT_NOT_FOUND,
    ENDPOINTS_MAX,
    EndpointPatch,
    Endpoints,
    EndpointStatus,
    Permit,
    anybody,
)

G = TypeVar("G", bound=RequestModel)


class EndpointRoutes:
    """`/v1/endpoints…`."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        one, refused = "/v1/endpoints/{endpoint_id}", {409: (), 507: ()}
        return (
            route("GET /v1/endpoints", Action.READ_ENDPOINTS, self.list_all, Nothing, {200: (EndpointsOut,)}),
            route(
                "POST /v1/endpoints", Action.CHANGE_ENDPOINTS, self.add, EndpointIn, {201: (NewEndpointOut,), **refused}
            ),
            route(f"GET {one}", Action.READ_ENDPOINTS, self.show, Nothing, {200: (EndpointOut,)}),
            route(
                f"PATCH {one}", Action.CHANGE_ENDPOINTS, self.change, EndpointChange, {200: (EndpointOut,), **refused}
            ),
            route(f"DELETE {one}", Action.CHANGE_ENDPOINTS, self.remove, Nothing, {204: (None,), **refused}),
            route(
                f"POST {one}/rotate-secret",
                Action.CHANGE_ENDPOINTS,
                self.rotate,
                RotationIn,
                {200: (NewEndpointOut,), **refused},
            ),
            route(f"POST {one}/test", Action.TEST_ENDPOINT, self.test, Nothing, {200: (TrialOut,)}),
            route(
                f"POST {one}/resume", Action.CHANGE_ENDPOINTS, self.resume, Nothing, {200: (EndpointOut,), **refused}
            ),
        )

    async def list_all(self, call: Call[Nothing]) -> web.StreamResponse:
        """List the endpoints, oldest first; the one from the settings is `default`."""
        scope = call.caller.scope
        whole: Listing[EndpointStatus] = Listing(
            name="endpoints", encode=lambda each: json_of(_out(each)), limit=ENDPOINTS_MAX + 1, max_bytes=None
        )
        return await answer_list(call.request, await self._endpoints.list_all(scope), whole)

    async def add(self, call: Call[EndpointIn]) -> web.Response:
        """Add an endpoint, which gets what happens from now on."""
        arguments, caller = call.arguments, call.caller
        require_events(caller, arguments.events or EVERY_TYPE)
        require_patterns(caller, arguments.sessions or ())
        patch = EndpointPatch(
            events=arguments.events,
            sessions=arguments.sessions or caller.scope.patterns,
            secret=arguments.secret,
            is_active=arguments.active,
        )
        endpoint = await self._endpoints.add(arguments.url, patch)
        name_in_record(call.request, target=endpoint.endpoint_id)
        return await self._with_secret(endpoint, 201)

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Show an endpoint."""
        return json_answer(_out(await self._endpoints.get(_id_in(call), _permit(call.caller))))

    async def change(self, call: Call[EndpointChange]) -> web.Response:
        """Change what is given; while `active` is false, undelivered events wait, and new ones are not sent."""
        arguments = call.arguments
        require_events(call.caller, arguments.events or ())
        endpoint_id, permit = await self._named(call, _permit_reader(call.caller))
        require_patterns(call.caller, arguments.sessions or ())
        patch = EndpointPatch(
            url=arguments.url,
            events=arguments.events,
            sessions=arguments.sessions,
            secret=arguments.secret,
            is_active=arguments.active,
        )
        return json_answer(_out(await self._endpoints.change(endpoint_id, patch, permit)))

    async def remove(self, call: Call[Nothing]) -> web.Response:
        """Remove an endpoint, and what was not delivered to it yet."""
        await self._endpoints.remove(*await self._named(call, _permit(call.caller)))
        return web.Response(status=204)

    async def rotate(self, call: Call[RotationIn]) -> web.Response:
        """Give an endpoint a new secret; for 24 hours the old one signs beside it."""
        endpoint_id, permit = await self._named(call, _permit_reader(call.caller))
        return await self._with_secret(await self._endpoints.rotate(endpoint_id, call.arguments.secret, permit), 200)

    async def test(self, call: Call[Nothing]) -> web.Response:
        """Post a signed `endpoint.test` now and tell what came back; it is neither stored nor retried."""
        return json_answer(_test_out(await self._endpoints.test(_id_in(call), _permit(call.caller))))

    async def resume(self, call: Call[Nothing]) -> web.Response:
        """Deliver to an endpoint again, at once what waits for it."""
        return json_answer(_out(await self._endpoints.resume(*await self._named(call, _permit(call.caller)))))

    async def _named(self, call: Call[G], permit: Permit) -> tuple[EndpointId, Permit]:
        """Return the endpoint the path names, once it is there and permitted, before anything else is found wrong."""
        endpoint_id = _id_in(call)
        await self._endpoints.get(endpoint_id, permit)
        return endpoint_id, permit

    async def _with_secret(self, endpoint: Endpoint, status: int) -> web.Response:
        shown = _out(await self._endpoints.get(endpoint.endpoint_id, anybody))
        return json_answer(NewEndpointOut(**dict(shown), secret=endpoint.secret), status)


def _id_in(call: Call[G]) -> EndpointId:
    return EndpointId(call.request.match_info["endpoint_id"])


def _permit(caller: Caller) -> Permit:
    """Permit what concerns an endpoint all of whose sessions the caller may know of."""

    def permit(endpoint: Endpoint) -> None:
        if not caller.scope.covers_all(endpoint.sessions):
            raise EndpointNotFoundError(ENDPOINT_NOT_FOUND)

    return permit


def _permit_reader(caller: Caller) -> Permit:
    """Permit it if, besides, the caller may read himself what the endpoint is sent."""
    permit_known = _permit(caller)

    def permit(endpoint: Endpoint) -> None:
        permit_known(endpoint)
        require_events(caller, endpoint.events)

    return permit


def _out(status: EndpointStatus) -> EndpointOut:
    endpoint, health = status.endpoint, status.health
    return EndpointOut(
        endpoint_id=endpoint.endpoint_id,
        url=without_password(endpoint.url),
        events=endpoint.events,
        sessions=endpoint.sessions,
        active=endpoint.is_active,
        status=status.word,
        disabled_reason=endpoint.disabled_reason,
        last_status=health.last.status,
        last_error=health.last.error,
        down_since=timestamp(health.down_since),
        next_probe_at=timestamp(health.next_probe_at),
        pending_count=status.pending_count,
        rotated_at=timestamp(endpoint.rotated_at),
        created_at=iso8601(endpoint.created_at),
        updated_at=iso8601(endpoint.updated_at),
    )


def _test_out(test: EndpointTest) -> TrialOut:
    status, error = _answer_of(test.result)
    return TrialOut(
        delivered=isinstance(test.result, Delivered),
        status=status,
        error=error,
        elapsed_ms=round(test.elapsed_s * 1000, 1),
        event_id=test.event_id,
    )


def _answer_of(outcome: AttemptResult) -> tuple[int | None, str | None]:
    match outcome:
        case Delivered(status=status):
            return status, None
        case Rejected(status=status):
            return status, f"HTTP {status}"
        case Gone():
            return 410, "HTTP 410"
        case Retry(status=status, reason=reason):
            return status, reason
        case _:
            assert_never(outcome)
