"""Webhook registration, its test delivery, and the list of deliveries that failed for good."""

from dataclasses import replace
from typing import cast
from uuid import uuid4

from openwa_manager.simulator.clock import iso_now_whole
from openwa_manager.simulator.http.errors import refusal, session_not_found
from openwa_manager.simulator.http.wire import Json, Response
from openwa_manager.simulator.release import Release
from openwa_manager.simulator.routes.bodies import CREATE_WEBHOOK, LATER_EVENTS, REDRIVE, UPDATE_WEBHOOK
from openwa_manager.simulator.routes.pipeline import Route, RouteCall
from openwa_manager.simulator.state.addresses import AddressGuard
from openwa_manager.simulator.state.storage import DeliveryFailureRow, Storage, WebhookRow
from openwa_manager.simulator.state.webhooks import Dispatcher

ROOT = "/api/sessions/:sessionId/webhooks"
ONE = f"{ROOT}/:id"
MAX_PER_SESSION = 16


def _view(row: WebhookRow) -> dict[str, Json]:
    """Return a webhook as the API shows it: never with secret or headers."""
    return {
        "id": row.id,
        "sessionId": row.session_id,
        "url": row.url,
        "events": [*row.events],
        "filters": row.filters,
        "active": row.active,
        "retryCount": row.retry_count,
        "lastTriggeredAt": row.last_triggered_at,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def _failure_view(row: DeliveryFailureRow) -> dict[str, Json]:
    return {
        "id": row.id,
        "webhookId": row.webhook_id,
        "sessionId": row.session_id,
        "event": row.event,
        "url": row.url,
        "idempotencyKey": row.idempotency_key,
        "deliveryId": row.delivery_id,
        "attempts": row.attempts,
        "lastStatusCode": row.last_status_code,
        "lastError": row.last_error,
        "createdAt": row.created_at,
    }


def _with_body(row: WebhookRow, body: dict[str, Json]) -> WebhookRow:
    """Return the row with the fields that a validated body carries."""
    if body.get("url") is not None:
        row = replace(row, url=cast("str", body["url"]))
    if body.get("events") is not None:
        row = replace(row, events=cast("list[str]", body["events"]))
    if body.get("headers") is not None:
        row = replace(row, headers=cast("dict[str, str]", body["headers"]))
    if body.get("retryCount") is not None:
        row = replace(row, retry_count=cast("int", body["retryCount"]))
    if body.get("active") is not None:
        row = replace(row, active=cast("bool", body["active"]))
    if "secret" in body:
        row = replace(row, secret=cast("str", body["secret"]) or None)
    if "filters" in body:
        row = replace(row, filters=cast("dict[str, Json] | None", body["filters"]))
    return row


class WebhookRoutes:
    """Handlers of the two webhook controllers."""

    def __init__(self, storage: Storage, dispatcher: Dispatcher, guard: AddressGuard, release: Release) -> None:
        self._release = release
        self._storage = storage
        self._dispatcher = dispatcher
        self._guard = guard

    def routes(self) -> list[Route]:
        """Return the route table."""
        failures = "/api/webhooks/delivery-failures"
        redrive = Route(method="POST", path=f"{failures}/redrive", handler=self._redrive, role="admin", body=REDRIVE)
        return [
            Route(method="POST", path=ROOT, handler=self._create, role="operator", body=CREATE_WEBHOOK),
            Route(method="GET", path=ROOT, handler=self._list, role="operator"),
            Route(method="GET", path=ONE, handler=self._get, role="operator"),
            Route(method="PUT", path=ONE, handler=self._update, role="operator", body=UPDATE_WEBHOOK),
            Route(method="DELETE", path=ONE, handler=self._delete, role="operator"),
            Route(method="POST", path=f"{ONE}/test", handler=self._test, role="operator"),
            Route(method="GET", path="/api/webhooks", handler=self._list_all, role="operator"),
            Route(method="GET", path=failures, handler=self._failures, role="admin"),
            *((redrive,) if self._release.redrives else ()),
        ]

    async def _create(self, call: RouteCall) -> Response:
        if call.session_id not in self._storage.sessions:
            raise session_not_found(call.session_id)
        self._guard.check(call.text("url") or "")
        self._require_known_events(call)
        count = len(self._of_session(call.session_id))
        if count >= MAX_PER_SESSION:
            facts = f"({count}/{MAX_PER_SESSION}); delete one before registering another"
            raise refusal(400, f"Webhook limit reached for this session {facts}")
        now = iso_now_whole()
        row = WebhookRow(
            id=str(uuid4()),
            session_id=call.session_id,
            url="",
            events=["message.received"],
            created_at=now,
            updated_at=now,
        )
        self._storage.webhooks.put(_with_body(row, call.body))
        self._storage.save()
        return Response(status=201, body=_view(self._storage.webhooks[row.id]))

    async def _list(self, call: RouteCall) -> Response:
        return Response(status=200, body=[_view(row) for row in reversed(self._of_session(call.session_id))])

    async def _list_all(self, call: RouteCall) -> Response:
        rows = [row for row in self._storage.webhooks.values() if call.is_in_scope(row.session_id)]
        return Response(status=200, body=[_view(row) for row in reversed(rows)])

    async def _get(self, call: RouteCall) -> Response:
        return Response(status=200, body=_view(self._find(call)))

    async def _update(self, call: RouteCall) -> Response:
        row = self._find(call)
        url = call.text("url")
        if url is not None:
            self._guard.check(url)
        self._require_known_events(call)
        self._storage.webhooks.put(replace(_with_body(row, call.body), updated_at=iso_now_whole()))
        self._storage.save()
        return Response(status=200, body=_view(self._storage.webhooks[row.id]))

    async def _delete(self, call: RouteCall) -> Response:
        del self._storage.webhooks[self._find(call).id]
        self._storage.save()
        return Response(status=204)

    async def _test(self, call: RouteCall) -> Response:
        return Response(status=200, body=await self._dispatcher.test(self._find(call)))

    async def _failures(self, call: RouteCall) -> Response:
        wanted = call.request.query.get("sessionId")
        rows = [
            row
            for row in reversed(self._storage.delivery_failures.values())
            if call.is_in_scope(row.session_id) and wanted in {None, row.session_id}
        ]
        return Response(status=200, body=[self._failure_view(row) for row in rows])

    async def _redrive(self, call: RouteCall) -> Response:
        """Post again what is kept of what was given up: fewest attempts first, then oldest."""
        ids, limit = call.body.get("ids"), call.body.get("limit")
        wanted = {"session_id": call.text("sessionId"), "webhook_id": call.text("webhookId")}
        scope = [
            row
            for row in self._storage.delivery_failures.values()
            if call.is_in_scope(row.session_id)
            and row.payload is not None
            and (not isinstance(ids, list) or row.id in ids)
            and all(value is None or getattr(row, name) == value for name, value in wanted.items())
        ]
        scope.sort(key=lambda row: row.attempts)
        outcomes = await self._dispatcher.redrive(scope[: limit if isinstance(limit, int) else 100])
        left = sum(row.id in self._storage.delivery_failures for row in scope)
        body: Json = {
            "redriven": outcomes["delivered"],
            "delivered": outcomes["delivered"],
            "enqueued": 0,
            "failed": outcomes["failed"],
            "skipped": outcomes["skipped"],
            "remaining": left,
        }
        return Response(status=200, body=body)

    def _failure_view(self, row: DeliveryFailureRow) -> dict[str, Json]:
        view = _failure_view(row)
        return view | {"replayable": row.payload is not None} if self._release.redrives else view

    def _require_known_events(self, call: RouteCall) -> None:
        events = call.body.get("events")
        unknown = self._release.lacking_events | (LATER_EVENTS - self._release.further_events)
        if isinstance(events, list) and unknown.intersection(map(str, events)):
            raise refusal(400, ["each value in events must be one of the following values"])

    def _of_session(self, session_id: str) -> list[WebhookRow]:
        return [row for row in self._storage.webhooks.values() if row.session_id == session_id]

    def _find(self, call: RouteCall) -> WebhookRow:
        row = self._storage.webhooks.get(call.params["id"])
        if row is None or row.session_id != call.session_id:
            raise refusal(404, f"Webhook with id '{call.params['id']}' not found")
        return row
