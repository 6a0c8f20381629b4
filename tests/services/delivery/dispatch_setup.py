"""A dispatcher over a real database, with a clock and a sender that do as the test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from openwa_manager.domain.delivery.delivery import AttemptResult, Delivered, DeliveryPolicy, Endpoint
from openwa_manager.domain.delivery.events import EndpointId, Event, Json, StoredEvent
from openwa_manager.domain.ports import Clock, WebhookSender
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.delivery.attempts import DeliveryWorker, EnvelopeWriter
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.services.delivery.dispatcher import Dispatcher
from openwa_manager.store.database import Database
from openwa_manager.store.delivery import outbox
from openwa_manager.store.delivery.endpoints import save_endpoint
from tests.fakes.clock import FakeClock, settle

NOW = 1_800_000_000.0  # where FakeClock begins
POLICY = DeliveryPolicy(jitter=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One attempt as the endpoint saw it."""

    at: float
    endpoint_id: str
    event_id: str
    body: dict[str, Json]

    @property
    def session_id(self) -> Json:
        return self.body["session_id"]

    @property
    def seq(self) -> Json:
        return self.body["seq"]


Answer = Callable[[Post], AttemptResult]


@dataclass(slots=True)
class ScriptedSender:
    """Endpoints that answer at once, as `answer` says; `gate` holds their answers back while it is closed."""

    answer: Answer = lambda _: Delivered(status=200)
    posts: list[Post] = field(default_factory=list)
    in_flight_max: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    _in_flight: int = 0
    _arrival: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def send(self, endpoint: Endpoint, event_id: str, body: bytes, at: float) -> AttemptResult:
        """Note the attempt and answer it."""
        post = Post(at=at, endpoint_id=endpoint.endpoint_id, event_id=event_id, body=json.loads(body))
        self._in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self._in_flight)
        self.posts.append(post)
        outcome = self.answer(post)
        async with self._arrival:
            self._arrival.notify_all()
        async with asyncio.timeout(30):
            await self.gate.wait()
        self._in_flight -= 1
        return outcome

    async def until(self, count: int, endpoint_id: str | None = None) -> list[Post]:
        """Return the attempts (at one endpoint, if named) once there are at least so many."""

        def seen() -> list[Post]:
            return [post for post in self.posts if endpoint_id in (None, post.endpoint_id)]

        async with asyncio.timeout(20), self._arrival:
            await self._arrival.wait_for(lambda: len(seen()) >= count)
        return seen()


@dataclass(slots=True, kw_only=True)
class DispatchSetup:
    """The parts a test moves."""

    database: Database
    clock: FakeClock
    sender: ScriptedSender
    dispatcher: Dispatcher
    images: dict[str, bytes]
    background: BackgroundTasks = field(default_factory=BackgroundTasks)

    async def tell(self, *events: Event) -> list[StoredEvent]:
        """Put events in the outbox as a save does."""
        stored = await self.database.write(partial(outbox.append, events=events))
        self.dispatcher.wake(stored)
        return stored

    async def add_endpoint(self, endpoint: Endpoint) -> None:
        """Make an endpoint known."""
        await self.database.write(partial(save_endpoint, endpoint=endpoint))
        self.dispatcher.reread()

    async def until_reloaded(self) -> None:
        """Return once the dispatcher has taken note of a changed endpoint."""
        while self.dispatcher._must_reread:  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(0)
        await self.database.read(lambda _: None)  # its own reading comes before this one
        await settle()

    async def pass_retry(self) -> None:
        """Let the dispatcher fall asleep over its next retry or probe, and wake it on time."""
        await self.clock.until_sleeping()
        await self.clock.advance(max(0.0, self.clock.deadlines[0] - self.clock.now().boot_s))

    async def rows(self, columns: str = "state", order: str = "event_seq") -> list[tuple[object, ...]]:
        """Return the deliveries as they are on disk."""
        sql = f"SELECT {columns} FROM delivery ORDER BY {order}"  # noqa: S608
        return await self.database.read(lambda connection: connection.execute(sql).fetchall())

    async def until_rows(
        self, expected: list[tuple[object, ...]], columns: str = "state", order: str = "event_seq"
    ) -> None:
        """Wait until the deliveries are so; the dispatcher records them right after the answer."""
        while await self.rows(columns, order) != expected:
            pass


def an_endpoint(
    name: str = "ep_1", events: tuple[str, ...] = ("*",), sessions: tuple[str, ...] = ("*",), url: str = "http://x"
) -> Endpoint:
    return Endpoint(
        endpoint_id=EndpointId(name),
        url=url,
        secret="s",
        events=events,
        sessions=sessions,
        created_at=0.0,
        updated_at=0.0,
    )


def an_event(seq: int = 1, session: str = "a", event_type: str = "session.connected", at: float = NOW) -> Event:
    return Event(type=event_type, occurred_at=at, session_id=SessionId(session), session_seq=seq, launch=1)


def a_code(number: int = 1, session: str = "a", at: float = NOW, life_s: float = 20.0) -> Event:
    data: dict[str, Json] = {"sha256": f"hash {number}", "mimetype": "image/png", "qr_seq": number, "attempt": number}
    return Event(
        type="session.qr", occurred_at=at, session_id=SessionId(session), launch=1, expires_at=at + life_s, data=data
    )


def build(
    database: Database, clock: Clock, sender: WebhookSender, images: dict[str, bytes], policy: DeliveryPolicy
) -> Dispatcher:
    envelope_writer = EnvelopeWriter(host="host-1", qr_image=lambda _, sha256: images.get(sha256))
    delivery_worker = DeliveryWorker(database, sender, clock, envelope_writer, policy, chance=lambda: 0.5)
    return Dispatcher(database, clock, delivery_worker, policy)


@asynccontextmanager
async def running(path: Path, *endpoints: Endpoint, policy: DeliveryPolicy = POLICY) -> AsyncIterator[DispatchSetup]:
    """Run a dispatcher whose endpoints answer at once."""
    clock, sender, images = FakeClock(), ScriptedSender(), {f"hash {number}": b"\x89PNG" for number in range(10)}
    sender.gate.set()
    async with Database(path) as database:
        for endpoint in endpoints or (an_endpoint(),):
            await database.write(partial(save_endpoint, endpoint=endpoint))
        dispatcher = build(database, clock, sender, images, policy)
        scene = DispatchSetup(database=database, clock=clock, sender=sender, dispatcher=dispatcher, images=images)
        async with asyncio.TaskGroup() as tasks:
            runs = [tasks.create_task(each.run()) for each in (dispatcher, scene.background)]
            yield scene
            for run in runs:
                run.cancel()
