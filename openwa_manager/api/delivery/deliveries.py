"""Lists what became of each delivery, and delivers some once more."""

from contextlib import aclosing
from datetime import datetime

from aiohttp import web

from openwa_manager.api.delivery.responses import DeliveryOut, DeliveryPage, ReplayOut
from openwa_manager.api.lists.pages import Listing, answer_list
from openwa_manager.api.requests import DeliveriesQuery, ReplayIn
from openwa_manager.api.responses import timestamp
from openwa_manager.api.routing import Call, Route, json_answer, json_of, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.times import iso8601
from openwa_manager.services.delivery.deliveries import Deliveries
from openwa_manager.store.delivery.deliveries import FIRST_PLACE, Delivery, Place, Selection


class DeliveryRoutes:
    """`/v1/deliveries…`."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        replayed = {200: (ReplayOut,), 202: (ReplayOut,), 507: ()}
        return (
            route(
                "GET /v1/deliveries", Action.READ_DELIVERIES, self.list_some, DeliveriesQuery, {200: (DeliveryPage,)}
            ),
            route("POST /v1/deliveries/replay", Action.REPLAY, self.replay, ReplayIn, replayed),
        )

    async def list_some(self, call: Call[DeliveriesQuery]) -> web.StreamResponse:
        """List the deliveries that match, newest first; those of state `dead` were given up."""
        arguments = call.arguments
        selection = Selection(
            scope=call.caller.scope,
            session_id=_session(arguments.session_id),
            endpoint_id=_endpoint(arguments.endpoint_id),
            state=arguments.state,
        )
        page: Listing[Delivery] = Listing(
            name="deliveries",
            encode=lambda each: json_of(_out(each)),
            ending=lambda last, has_more: {"next_cursor": _cursor(last) if last and has_more else None},
            limit=arguments.limit,
        )
        async with aclosing(self._deliveries.iterate(selection, _place(arguments.cursor))) as found:
            return await answer_list(call.request, found, page)

    async def replay(self, call: Call[ReplayIn]) -> web.Response:
        """Make the deliveries that match once more, each stream in its order; codes have expired and are left out.

        With `dry_run` they are only counted.
        """
        arguments = call.arguments
        if not arguments.model_dump(exclude_none=True, exclude={"dry_run"}):
            raise InvalidInputError("body", "must say which deliveries: ids, session_id, since, until or state")
        selection = Selection(
            scope=call.caller.scope,
            ids=arguments.ids or (),
            session_id=_session(arguments.session_id),
            endpoint_id=_endpoint(arguments.endpoint_id),
            since=_at(arguments.since),
            until=_at(arguments.until),
            state=arguments.state,
        )
        if arguments.dry_run:
            return json_answer(ReplayOut(count=await self._deliveries.count(selection)), 200)
        return json_answer(ReplayOut(count=await self._deliveries.replay(selection)), 202)


def _session(text: str | None) -> SessionId | None:
    return None if text is None else SessionId(text)


def _endpoint(text: str | None) -> EndpointId | None:
    return None if text is None else EndpointId(text)


def _at(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _cursor(delivery: Delivery) -> str:
    return f"{delivery.seq}.{delivery.endpoint_id}"


def _place(cursor: str | None) -> Place:
    if cursor is None:
        return FIRST_PLACE
    seq, _, endpoint_id = cursor.partition(".")
    return Place(int(seq), endpoint_id)


def _out(delivery: Delivery) -> DeliveryOut:
    return DeliveryOut(
        event_id=delivery.event_id,
        event_type=delivery.event_type,
        session_id=delivery.session_id,
        endpoint_id=delivery.endpoint_id,
        state=delivery.state,
        attempts=delivery.attempts,
        occurred_at=iso8601(delivery.occurred_at),
        last_tried_at=timestamp(delivery.last_tried_at),
        last_status=delivery.last_status,
        last_error=delivery.last_error,
        next_at=timestamp(delivery.next_at),
        settled_at=timestamp(delivery.settled_at),
    )
