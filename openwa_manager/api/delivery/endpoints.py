"""Makes, shows, changes and tests the endpoints that events go to; a secret is shown once, when it is new."""

from typing import assert_never

from aiohttp import web

from openwa_manager.api.delivery.responses import EndpointOut, EndpointsOut, NewEndpointOut, TrialOut
from openwa_manager.api.lists.pages import Listing, answer_list
from openwa_manager.api.requests import EndpointChange, EndpointIn, Nothing, RotationIn
from openwa_manager.api.responses import timestamp
from openwa_manager.api.routing import Call, Route, json_answer, json_of, route
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.delivery.delivery import AttemptResult, Delivered, Endpoint, Gone, Rejected, Retry
from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.domain.times import iso8601
from openwa_manager.domain.urls import without_password
from openwa_manager.services.delivery.attempts import EndpointTest
from openwa_manager.services.delivery.endpoints import ENDPOINTS_MAX, EndpointPatch, Endpoints, EndpointStatus


class EndpointRoutes:
    """`/v1/endpoints…`."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        one, refused = "/v1/endpoints/{endpoint_id}", {409: (), 507: ()}
        return (
            route("GET /v1/endpoints", Role.ADMIN, self.list_all, Nothing, {200: (EndpointsOut,)}),
            route("POST /v1/endpoints", Role.ADMIN, self.add, EndpointIn, {201: (NewEndpointOut,), **refused}),
            route(f"GET {one}", Role.ADMIN, self.show, Nothing, {200: (EndpointOut,)}),
            route(f"PATCH {one}", Role.ADMIN, self.change, EndpointChange, {200: (EndpointOut,), **refused}),
            route(f"DELETE {one}", Role.ADMIN, self.remove, Nothing, {204: (None,), **refused}),
            route(
                f"POST {one}/rotate-secret", Role.ADMIN, self.rotate, RotationIn, {200: (NewEndpointOut,), **refused}
            ),
            route(f"POST {one}/test", Role.ADMIN, self.test, Nothing, {200: (TrialOut,)}),
            route(f"POST {one}/resume", Role.ADMIN, self.resume, Nothing, {200: (EndpointOut,), **refused}),
        )

    async def list_all(self, call: Call[Nothing]) -> web.StreamResponse:
        """List the endpoints, oldest first; the one from the settings is `default`."""
        whole: Listing[EndpointStatus] = Listing(
            name="endpoints", encode=lambda each: json_of(_out(each)), limit=ENDPOINTS_MAX + 1, max_bytes=None
        )
        return await answer_list(call.request, await self._endpoints.list_all(), whole)

    async def add(self, call: Call[EndpointIn]) -> web.Response:
        """Add an endpoint, which gets what happens from now on."""
        arguments = call.arguments
        patch = EndpointPatch(
            events=arguments.events, sessions=arguments.sessions, secret=arguments.secret, is_active=arguments.active
        )
        return await self._with_secret(await self._endpoints.add(arguments.url, patch), 201)

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Show an endpoint."""
        return json_answer(_out(await self._endpoints.get(_id_in(call.request))))

    async def change(self, call: Call[EndpointChange]) -> web.Response:
        """Change what is given; while `active` is false, undelivered events wait, and new ones are not sent."""
        arguments = call.arguments
        patch = EndpointPatch(
            url=arguments.url,
            events=arguments.events,
            sessions=arguments.sessions,
            secret=arguments.secret,
            is_active=arguments.active,
        )
        return json_answer(_out(await self._endpoints.change(_id_in(call.request), patch)))

    async def remove(self, call: Call[Nothing]) -> web.Response:
        """Remove an endpoint, and what was not delivered to it yet."""
        await self._endpoints.remove(_id_in(call.request))
        return web.Response(status=204)

    async def rotate(self, call: Call[RotationIn]) -> web.Response:
        """Give an endpoint a new secret; for 24 hours the old one signs beside it."""
        return await self._with_secret(await self._endpoints.rotate(_id_in(call.request), call.arguments.secret), 200)

    async def test(self, call: Call[Nothing]) -> web.Response:
        """Post a signed `endpoint.test` now and tell what came back; it is neither stored nor retried."""
        return json_answer(_test_out(await self._endpoints.test(_id_in(call.request))))

    async def resume(self, call: Call[Nothing]) -> web.Response:
        """Deliver to an endpoint again, at once what waits for it."""
        return json_answer(_out(await self._endpoints.resume(_id_in(call.request))))

    async def _with_secret(self, endpoint: Endpoint, status: int) -> web.Response:
        shown = _out(await self._endpoints.get(endpoint.endpoint_id))
        return json_answer(NewEndpointOut(**dict(shown), secret=endpoint.secret), status)


def _id_in(request: web.Request) -> EndpointId:
    return EndpointId(request.match_info["endpoint_id"])


def _out(status: EndpointStatus) -> EndpointOut:
    endpoint = status.endpoint
    return EndpointOut(
        endpoint_id=endpoint.endpoint_id,
        url=without_password(endpoint.url),
        events=endpoint.events,
        sessions=endpoint.sessions,
        active=endpoint.is_active,
        status=status.word,
        disabled_reason=endpoint.disabled_reason,
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
