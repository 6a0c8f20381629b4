"""Takes the first event of a stream to its endpoint, and records what became of it before the next one may go."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar, assert_never

import structlog

from openwa_manager.domain.delivery.delivery import (
    AttemptResult,
    DeadLettered,
    Delivered,
    DeliveryPolicy,
    DeliveryState,
    Disabled,
    Endpoint,
    Gone,
    Lane,
    Retry,
    RetryAt,
    Succeeded,
    Tries,
    after_attempt,
)
from openwa_manager.domain.delivery.endpoint_queue import EndpointQueue, Post, StreamKey
from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.domain.errors import StorageFullError
from openwa_manager.domain.ports import Clock, WebhookSender
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.metrics.tallies import DeliveryResult, DeliveryTally
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery import outbox
from openwa_manager.store.delivery.endpoints import disable_endpoint, load_endpoint
from openwa_manager.store.delivery.outbox import DeliveryAttempt, NextDelivery
from openwa_manager.store.ids import new_id
from openwa_manager.webhooks.envelope import write_body

T = TypeVar("T")

#: How long to wait before trying again to record an outcome on a full disk.
_FULL_PAUSE_S = 5.0

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeWriter:
    """Turns an event into a body: knows this host's name, and where the image of a code is found by its hash."""

    host: str
    qr_image: Callable[[SessionId, str], bytes | None]

    def write(self, stored: StoredEvent) -> bytes | None:
        """Return the bytes to send; None when the event shows a code that is not shown any more."""
        event = stored.event
        if event.type != "session.qr":
            return write_body(stored.id, event, self.host)
        sha256 = event.data.get("sha256")
        if event.session_id is None or not isinstance(sha256, str):
            return None
        image = self.qr_image(event.session_id, sha256)
        return None if image is None else write_body(stored.id, event, self.host, image)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttemptEnd:
    """How a post left its stream: when the next event is due (wall time; None: none is left), and what else is new.

    `stored` is that next event, if it is at hand. `is_disabled` tells that the endpoint wants nothing more,
    `has_new_event` that the outbox holds an event of ours.
    """

    due_at: float | None
    stored: StoredEvent | None = None
    is_disabled: bool = False
    has_new_event: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointTest:
    """What a test event brought back, and after how long."""

    event_id: str
    result: AttemptResult
    elapsed_s: float


class EventSending:
    """An event on its way, which is given up as soon as a newer code has overtaken it.

    `seq` is the event's; 0 before it is known.
    """

    def __init__(self) -> None:
        self.seq = 0
        self._newest_seq = 0
        self._timeout: asyncio.Timeout | None = None

    @asynccontextmanager
    async def of(self, seq: int) -> AsyncIterator[None]:
        """Let the event with this seq be on its way while the body runs.

        Raises:
            TimeoutError: a newer one has overtaken it.
        """
        self.seq = seq
        if self._newest_seq > seq:  # while it was read from disk
            raise TimeoutError
        try:
            async with asyncio.timeout(None) as self._timeout:
                yield
        finally:
            self._timeout = None

    def overtake(self, seq: int) -> None:
        """Give up on an older event, since the one with this seq makes it pointless."""
        self._newest_seq = max(self._newest_seq, seq)
        if self._timeout is not None and seq > self.seq:
            self._timeout.reschedule(asyncio.get_running_loop().time())
            self._timeout = None  # once is enough


class DeliveryWorker:
    """Makes single attempts; what follows from them is decided by `after_attempt`."""

    def __init__(
        self,
        database: Database,
        sender: WebhookSender,
        clock: Clock,
        envelope_writer: EnvelopeWriter,
        policy: DeliveryPolicy,
        chance: Callable[[], float],
    ) -> None:
        self._database = database
        self._sender = sender
        self._clock = clock
        self._envelope_writer = envelope_writer
        self._policy = policy
        self._chance = chance
        self.tally = DeliveryTally()

    async def deliver(self, post: Post, queue: EndpointQueue, sending: EventSending) -> DeliveryAttemptEnd:
        """Post the first event of the stream and return once the outcome is on disk; `queue` is its endpoint's."""
        first = await self._first(post)
        if first is None:  # it was removed meanwhile, with its endpoint or its session
            return DeliveryAttemptEnd(due_at=None)
        body = self._envelope_writer.write(first.stored)
        if body is None:
            self.tally.results[DeliveryResult.EXPIRED] += 1
            _log.debug("delivery_expired", event_id=first.stored.id, endpoint_id=post.key.endpoint_id)
            return DeliveryAttemptEnd(
                due_at=await self._write(partial(outbox.drop, key=post.key, seq=first.stored.seq))
            )
        endpoint = queue.endpoint
        try:
            result = await self._send(post, endpoint, first.stored, body, sending)
        except TimeoutError:
            # There is nothing to record: whoever stored the newer code has removed this delivery.
            _log.debug("delivery_overtaken", event_id=first.stored.id, endpoint_id=post.key.endpoint_id)
            return DeliveryAttemptEnd(due_at=await self._database.read(partial(outbox.due_at, key=post.key)))
        # A person may have given the endpoint a new address while the former one was busy with this event.
        if queue.endpoint.url == endpoint.url:
            return await self._conclude(queue, post, first, result)
        return await self._conclude_elsewhere(post, first, result)

    async def _send(
        self, post: Post, endpoint: Endpoint, stored: StoredEvent, body: bytes, sending: EventSending
    ) -> AttemptResult:
        send = partial(self._sender.send, endpoint, stored.id, body, self._clock.now().at)
        if post.key.lane is not Lane.QR:  # nothing overtakes what is no code
            sending.seq = stored.seq
            return await send()
        async with sending.of(stored.seq):
            return await send()

    async def _first(self, post: Post) -> NextDelivery | None:
        if post.stored is not None:
            return NextDelivery(stored=post.stored)
        return await self._database.read(partial(outbox.read_next, key=post.key))

    async def _conclude_elsewhere(self, post: Post, first: NextDelivery, result: AttemptResult) -> DeliveryAttemptEnd:
        """Hold nothing that the former address of an endpoint answered against its present one."""
        at = self._clock.now().at
        if isinstance(result, Delivered):
            self._note_delivered(post, first, at)
            return await self._record(post.key, _attempt(first, result, at, state=DeliveryState.DELIVERED))
        self.tally.results[DeliveryResult.FAILED] += 1
        return await self._record(post.key, _attempt(first, result, at))

    def _note_delivered(self, post: Post, first: NextDelivery, at: float) -> None:
        self.tally.note_delivered(at - first.stored.event.occurred_at, is_code=post.key.lane is Lane.QR)

    async def deliver_once(self, queue: EndpointQueue, event: Event) -> None:
        """Post an event that is neither stored nor retried."""
        at = self._clock.now().at
        event_id = new_id("evt", at)
        body = write_body(event_id, event, self._envelope_writer.host)
        endpoint = queue.endpoint
        result = await self._sender.send(endpoint, event_id, body, at)
        if queue.endpoint.url == endpoint.url:
            key = StreamKey(endpoint.endpoint_id, Lane.MAIN, event.session_id or "")
            self._note(queue, key, result)

    async def test(self, endpoint: Endpoint) -> EndpointTest:
        """Post an `endpoint.test`, signed as every event is; the dispatcher learns nothing from what comes back."""
        begun = self._clock.now()
        event_id = new_id("evt", begun.at)
        event = Event(type="endpoint.test", occurred_at=begun.at, data={"endpoint_id": endpoint.endpoint_id})
        body = write_body(event_id, event, self._envelope_writer.host)
        result = await self._sender.send(endpoint, event_id, body, begun.at)
        return EndpointTest(event_id=event_id, result=result, elapsed_s=self._clock.now().boot_s - begun.boot_s)

    async def _conclude(
        self, queue: EndpointQueue, post: Post, first: NextDelivery, result: AttemptResult
    ) -> DeliveryAttemptEnd:
        # In this order: the failure that opens the breaker is itself judged as one that met a healthy endpoint.
        context = queue.context(post, self._clock.now().at, self._chance())
        self._note(queue, post.key, result)
        decision = after_attempt(first.tries, result, context, self._policy)
        facts = {"event_id": first.stored.id, "endpoint_id": post.key.endpoint_id, **_facts(result)}
        attempt = partial(_attempt, first, result, context.at)
        match decision:
            case Succeeded():
                _log.debug("delivery_made", **facts)
                self._note_delivered(post, first, context.at)
                tries = replace(first.tries, attempts=first.tries.attempts + 1)
                return await self._record(post.key, attempt(tries=tries, state=DeliveryState.DELIVERED))
            case RetryAt(next_at=next_at):
                self.tally.results[DeliveryResult.FAILED] += 1
                _log.warning("delivery_failed", retry_in_s=round(next_at - context.at, 1), **facts)
                return await self._record(post.key, attempt(tries=decision.tries, next_at=next_at))
            case DeadLettered():
                self.tally.results[DeliveryResult.DEAD] += 1
                _log.error("delivery_dead", reason=decision.reason, **facts)
                return await self._dead_letter(
                    post.key, attempt(tries=decision.tries, state=DeliveryState.DEAD), first, decision
                )
            case Disabled():
                self.tally.results[DeliveryResult.GONE] += 1
                _log.error("endpoint_disabled", **facts)
                return await self._disable(queue.endpoint, post.key, attempt())
            case _:
                assert_never(decision)

    async def _record(self, key: StreamKey, attempt: DeliveryAttempt) -> DeliveryAttemptEnd:
        following = await self._persist(partial(self._database.write_together, outbox.record_all, (key, attempt)))
        return DeliveryAttemptEnd(due_at=following.due_at, stored=following.stored)

    async def _dead_letter(
        self, key: StreamKey, attempt: DeliveryAttempt, first: NextDelivery, decision: DeadLettered
    ) -> DeliveryAttemptEnd:
        events = _dead_letter_event(first, key, decision, attempt)

        def dead_letter(connection: Connection) -> float | None:
            # One transaction: after a crash the event is either still to be delivered, or dead and said to be.
            outbox.append(connection, events)
            return outbox.record(connection, key, attempt).due_at

        return DeliveryAttemptEnd(due_at=await self._write(dead_letter), has_new_event=bool(events))

    async def _disable(self, endpoint: Endpoint, key: StreamKey, attempt: DeliveryAttempt) -> DeliveryAttemptEnd:
        def disable(connection: Connection) -> None:
            outbox.record(connection, key, attempt)
            present = load_endpoint(connection, key.endpoint_id)
            if present is not None and present.url == endpoint.url:  # else it was moved just now
                disable_endpoint(connection, key.endpoint_id, "gone", attempt.at)

        await self._write(disable)
        return DeliveryAttemptEnd(due_at=None, is_disabled=True)

    def _note(self, queue: EndpointQueue, key: StreamKey, result: AttemptResult) -> None:
        was_throttled = queue.breaker.is_throttled
        was_down = queue.breaker.is_open and not was_throttled
        now = self._clock.now()
        queue.note(result, now, key)
        is_down = queue.breaker.is_open and not queue.breaker.is_throttled
        if was_down and not is_down:
            _log.info("endpoint_recovered", endpoint_id=queue.endpoint.endpoint_id)
        if queue.breaker.is_throttled:
            if not was_throttled:
                wait_s = self._policy.throttle_s(result)
                _log.warning("endpoint_throttled", endpoint_id=queue.endpoint.endpoint_id, wait_s=wait_s)
        elif is_down and not was_down:
            _log.error("endpoint_down", endpoint_id=queue.endpoint.endpoint_id, **_facts(result))

    async def _write(self, function: Callable[[Connection], T]) -> T:
        return await self._persist(partial(self._database.write, function))

    async def _persist(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write, and on a full disk keep trying: forgetting an outcome would send the event a second time."""
        while True:
            try:
                return await write()
            except StorageFullError as error:
                _log.warning("delivery_unrecorded", error=str(error), delay_s=_FULL_PAUSE_S)
            await self._clock.sleep_until(self._clock.now().boot_s + _FULL_PAUSE_S)


def _facts(result: AttemptResult) -> dict[str, str | int | None]:
    """Return what a person reads of an outcome."""
    status = 410 if isinstance(result, Gone) else result.status
    return {"status": status, "error": result.reason} if isinstance(result, Retry) else {"status": status}


def _attempt(
    first: NextDelivery,
    result: AttemptResult,
    at: float,
    *,
    state: DeliveryState = DeliveryState.PENDING,
    tries: Tries | None = None,
    next_at: float = 0.0,
) -> DeliveryAttempt:
    return DeliveryAttempt(
        seq=first.stored.seq,
        at=at,
        state=state,
        tries=tries or first.tries,
        status=410 if isinstance(result, Gone) else result.status,
        error=result.reason if isinstance(result, Retry) else None,
        next_at=next_at or at,
    )


def _dead_letter_event(
    first: NextDelivery, key: StreamKey, decision: DeadLettered, attempt: DeliveryAttempt
) -> list[Event]:
    """Return the event that says so; none about such an event itself, nor about a code nobody can scan now."""
    event = first.stored.event
    if event.type == "delivery.dead_lettered" or key.lane is Lane.QR:
        return []
    data = {
        "event_id": first.stored.id,
        "event_type": event.type,
        "event_seq": event.session_seq,
        "endpoint_id": key.endpoint_id,
        "attempts": decision.tries.attempts,
        "reason": decision.reason,
        "last_status": attempt.status,
        "last_error": attempt.error,
    }
    return [
        Event(
            type="delivery.dead_lettered",
            occurred_at=attempt.at,
            session_id=event.session_id,
            user_id=event.user_id,
            data=data,
        )
    ]
