"""Deliveries: which webhook gets an event, the signed POST, its retries and the record of its failure."""

import asyncio
import hashlib
import hmac
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit
from uuid import uuid4

from openwa_manager.simulator.clock import iso_now, iso_now_whole
from openwa_manager.simulator.http.wire import Json, encode_json
from openwa_manager.simulator.log import log
from openwa_manager.simulator.settings import Settings
from openwa_manager.simulator.state.addresses import REFUSED, AddressGuard
from openwa_manager.simulator.state.database import DatabaseLostError
from openwa_manager.simulator.state.storage import DeliveryFailureRow, Storage, WebhookRow

#: How many deliveries run at once.
CONCURRENCY = 64

#: Headers a webhook's owner may not set; the system's own win.
_RESERVED = frozenset({"content-type", "content-length", "host", "user-agent", "connection", "transfer-encoding"})


#: event -> its idempotency key. Content that can repeat carries its time (`at`); `hash` covers the rest.
_KEY_RECIPES = {
    "message.received": "msg_{sid}_{id}",
    "message.sent": "msg_{sid}_{id}",
    "message.ack": "ack_{sid}_{id}_{status}",
    "message.failed": "failed_{sid}_{id}_{status}",
    "session.status": "sess_{sid}_{status}_{at}",
    "session.qr": "qr_{sid}_{hash}",
    "session.authenticated": "auth_{sid}_{hash}_{at}",
    "session.disconnected": "disc_{sid}_{hash}_{at}",
    "session.restriction": "restr_{sid}_{kind}_{active}_{at}",
}


class DeliveryError(Exception):
    """A receiver did not take a delivery; `status` is its HTTP status if it answered at all."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one webhook; the same over all its retries."""

    webhook: WebhookRow
    event: str
    idempotency_key: str
    delivery_id: str
    body: bytes


def _short_hash(value: Json) -> str:
    return hashlib.sha256(encode_json(value)).hexdigest()[:12]


def _sorted(data: dict[str, Json]) -> dict[str, Json]:
    return dict(sorted(data.items()))


def idempotency_key(event: str, session_id: str, data: dict[str, Json], occurred_at: str) -> str:
    """Return OpenWA's key for an event: made of its content, and of its time where content may repeat."""
    recipe = _KEY_RECIPES.get(event)
    if recipe is None:
        return f"evt_{event.replace('.', '_')}_{_short_hash(_sorted(data))}"
    facts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in data.items()}
    facts |= {"sid": session_id, "at": occurred_at}
    if "{hash}" in recipe:
        hashed: dict[str, Json] = {name: value for name, value in data.items() if name in {"qr", "reason"}}
        facts["hash"] = _short_hash(hashed or _sorted(data))
    return recipe.format(**facts)


def _delivery(webhook: WebhookRow, event: str, key: str, data: dict[str, Json]) -> Delivery:
    delivery_id = f"dlv_{uuid4()}"
    body: dict[str, Json] = {
        "event": event,
        "timestamp": iso_now(),
        "sessionId": webhook.session_id,
        "idempotencyKey": key,
        "deliveryId": delivery_id,
        "data": data,
    }
    return Delivery(webhook=webhook, event=event, idempotency_key=key, delivery_id=delivery_id, body=encode_json(body))


def _head(delivery: Delivery, retry: int) -> bytes:
    """Return the request line and headers of one attempt."""
    webhook = delivery.webhook
    target = urlsplit(webhook.url)
    headers = {name: value for name, value in webhook.headers.items() if name.lower() not in _RESERVED}
    headers |= {
        "Content-Type": "application/json",
        "User-Agent": "OpenWA-Webhook/1.0.0",
        "X-OpenWA-Event": delivery.event,
        "X-OpenWA-Idempotency-Key": delivery.idempotency_key,
        "X-OpenWA-Delivery-Id": delivery.delivery_id,
        "X-OpenWA-Retry-Count": str(retry),
    }
    if webhook.secret:
        digest = hmac.new(webhook.secret.encode(), delivery.body, hashlib.sha256).hexdigest()
        headers["X-OpenWA-Signature"] = f"sha256={digest}"
    headers |= {"Host": target.netloc.rpartition("@")[2], "Connection": "close"}
    headers["Content-Length"] = str(len(delivery.body))
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"


async def _exchange(delivery: Delivery, retry: int, guard: AddressGuard) -> tuple[int, str]:
    """Send one attempt and return the status line of the answer."""
    target = urlsplit(delivery.webhook.url)
    is_tls = target.scheme == "https"
    host, port = target.hostname or "", target.port or (443 if is_tls else 80)
    server_hostname = host if is_tls else None
    reader, writer = await asyncio.open_connection(
        guard.address(host, port), port, ssl=is_tls or None, server_hostname=server_hostname
    )
    try:
        writer.write(_head(delivery, retry) + delivery.body)
        words = (await reader.readline()).decode("latin-1").rstrip().split(" ", 2)
    finally:
        writer.transport.abort()
    if len(words) < 2 or not words[1].isdecimal():
        raise DeliveryError("fetch failed")
    return int(words[1]), words[2] if len(words) > 2 else ""


class Dispatcher:
    """Turns events into deliveries and sees each of them through."""

    def __init__(self, storage: Storage, settings: Settings, guard: AddressGuard, tasks: asyncio.TaskGroup) -> None:
        self._storage = storage
        self._guard = guard
        self._settings = settings
        self._tasks = tasks
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._pending = 0
        self._none_pending = asyncio.Event()

    def dispatch(self, session_id: str, event: str, data: dict[str, Json]) -> list[asyncio.Task[None]]:
        """Start the delivery of an event to every webhook of the session that wants it; return what is started."""
        deliveries: list[asyncio.Task[None]] = []
        if event in self._settings.release.lacking_events:
            return deliveries
        occurred_at = iso_now()
        key = idempotency_key(event, session_id, data, occurred_at)
        for webhook in tuple(self._storage.webhooks.values()):
            wants = webhook.active and ("*" in webhook.events or event in webhook.events)
            if webhook.session_id == session_id and wants:
                self._pending += 1
                self._none_pending.clear()
                delivery = _delivery(webhook, event, f"{key}_{webhook.id}", data)
                deliveries.append(self._tasks.create_task(self._deliver(delivery)))
        return deliveries

    async def test(self, webhook: WebhookRow) -> dict[str, Json]:
        """Send one test event, once, and return what the API answers about it."""
        data: dict[str, Json] = {
            "message": "This is a test webhook from OpenWA",
            "webhookId": webhook.id,
            "url": webhook.url,
        }
        key = f"evt_test_{_short_hash({'webhookId': webhook.id})}"
        try:
            status = await self._post(_delivery(webhook, "test", key, data), 0)
        except DeliveryError as error:
            if error.status is None:
                return {"success": False, "error": str(error)}
            return {"success": False, "statusCode": error.status}
        return {"success": True, "statusCode": status}

    async def redrive(self, rows: Sequence[DeliveryFailureRow]) -> Counter[str]:
        """Post again, once, what was given up; return how many were `delivered`, `failed` and `skipped`."""
        outcomes: Counter[str] = Counter()
        for row in rows:
            webhook = self._storage.webhooks.get(row.webhook_id)
            if webhook is None or not webhook.active or row.payload is None:
                outcomes["skipped"] += 1
                continue
            delivery = Delivery(
                webhook=webhook,
                event=row.event,
                idempotency_key=row.idempotency_key,
                delivery_id=row.delivery_id,
                body=row.payload.encode(),
            )
            try:
                await self._post(delivery, row.attempts)
            except DeliveryError as error:
                outcomes["failed"] += 1
                self._storage.delivery_failures.put(replace(row, attempts=row.attempts + 1, last_error=str(error)))
            else:
                outcomes["delivered"] += 1
                self._storage.delivery_failures.pop(row.id, None)
        self._storage.save()
        return outcomes

    async def drain(self) -> None:
        """Wait for deliveries under way, at most WEBHOOK_SHUTDOWN_DRAIN_MS."""
        if not self._pending:
            return
        try:
            async with asyncio.timeout(self._settings.webhook_drain_s):
                await self._none_pending.wait()
        except TimeoutError:
            log(f"{self._pending} webhook deliveries were still in flight at shutdown", level="WARN")

    async def _post(self, delivery: Delivery, retry: int) -> int:
        """Make one attempt. Raises: DeliveryError."""
        if not self._guard.allows(delivery.webhook.url):
            raise DeliveryError(REFUSED)
        try:
            async with asyncio.timeout(self._settings.webhook_timeout_s):
                status, reason = await _exchange(delivery, retry, self._guard)
        except TimeoutError:
            raise DeliveryError("The operation was aborted due to timeout") from None
        except (OSError, ValueError):
            raise DeliveryError("fetch failed") from None
        if not 200 <= status < 300:
            raise DeliveryError(f"HTTP {status}: {reason}", status)
        return status

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            await self._try_all(delivery)
        finally:
            self._pending -= 1
            if not self._pending:
                self._none_pending.set()

    async def _try_all(self, delivery: Delivery) -> None:
        attempts = max(1, delivery.webhook.retry_count)
        for retry in range(attempts):
            try:
                async with self._slots:
                    await self._post(delivery, retry)
            except DeliveryError as error:
                log(f"Webhook delivery failed: {delivery.event} attempt {retry + 1}: {error}", level="WARN")
                if retry + 1 == attempts:
                    self._record_failure(delivery, error)
                else:
                    steps = 2**retry if self._settings.release.doubles_pauses else retry + 1
                    await asyncio.sleep(self._settings.webhook_retry_delay_s * steps)
            else:
                self._record_success(delivery)
                return

    def _record_success(self, delivery: Delivery) -> None:
        webhook = self._storage.webhooks.get(delivery.webhook.id)
        if webhook is not None:
            self._storage.webhooks.put(replace(webhook, last_triggered_at=iso_now()))

    def _record_failure(self, delivery: Delivery, error: DeliveryError) -> None:
        row = DeliveryFailureRow(
            id=str(uuid4()),
            webhook_id=delivery.webhook.id,
            session_id=delivery.webhook.session_id,
            event=delivery.event,
            url=delivery.webhook.url,
            idempotency_key=delivery.idempotency_key,
            delivery_id=delivery.delivery_id,
            attempts=max(1, delivery.webhook.retry_count),
            last_status_code=error.status,
            last_error=str(error),
            created_at=iso_now_whole(),
            payload=delivery.body.decode() if self._settings.keeps_failed_payloads else None,
        )
        self._storage.delivery_failures.put(row)
        try:
            self._storage.save()
        except DatabaseLostError as lost:
            log(f"Failed to record a delivery failure: {lost}", level="ERROR")
