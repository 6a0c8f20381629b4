import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.delivery import DeliveryPolicy, Endpoint
from openwa_manager.host.clock import SystemClock
from openwa_manager.services.delivery.dispatcher import Dispatcher
from openwa_manager.store.database import Database
from openwa_manager.store.delivery import outbox
from openwa_manager.store.delivery.endpoints import save_endpoint
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.sender import Sender
from tests.fakes.receiver import Receiver, Vice, ask_to_wait, hang, hang_up, promise_and_hang_up, receiving
from tests.services.delivery.dispatch_setup import a_code, an_endpoint, an_event, build

QUICK = replace(DeliveryPolicy(), schedule_s=(0.0, *[0.01] * 14), probe_s=0.05)
IMAGE = b"\x89PNG" + bytes(8000)


@asynccontextmanager
async def dispatching(
    path: Path, *endpoints: Endpoint, policy: DeliveryPolicy = QUICK
) -> AsyncIterator[tuple[Database, Dispatcher]]:
    """Run a dispatcher that posts over real connections in real time."""
    images = {f"hash {number}": IMAGE for number in range(10)}
    guard = AddressGuard(allow_private=True)
    async with Database(path) as database, Sender(guard, connect_timeout_s=0.2, total_timeout_s=0.2) as sender:
        for endpoint in endpoints:
            await database.write(partial(save_endpoint, endpoint=endpoint))
        dispatcher = build(database, SystemClock(), sender, images, policy)
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(dispatcher.run())
            yield database, dispatcher
            run.cancel()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


def seqs_of_first_arrival(receiver: Receiver) -> dict[object, list[object]]:
    """Return, per session, the numbers of its events in the order in which each arrived first."""
    order: dict[object, list[object]] = defaultdict(list)
    for received in receiver.received:
        body = received.json
        if body["seq"] not in order[body["session_id"]]:
            order[body["session_id"]].append(body["seq"])
    return order


async def until_delivered(database: Database) -> None:
    """Wait until nothing is pending any more."""
    while await database.read(lambda connection: connection.execute("SELECT row_count FROM backlog").fetchone()) != (
        0,
    ):
        pass


async def test_a_session_is_told_in_order_whatever_the_backend_does(tmp_path: Path, receiver: Receiver) -> None:
    vices: list[int | Vice] = [
        500,
        hang_up,
        hang,
        503,
        promise_and_hang_up,
        ask_to_wait(429, "0"),
        404,
        200,
        401,
        hang_up,
        hang_up,
    ]
    receiver.answers = vices * 3
    events = [an_event(seq, session) for seq in range(1, 11) for session in ("a", "b", "c")]

    async with dispatching(tmp_path / "manager.db", an_endpoint(url=receiver.url)) as (database, dispatcher):
        await database.write(partial(outbox.append, events=events))
        dispatcher.wake()
        await until_delivered(database)

    assert seqs_of_first_arrival(receiver) == {session: list(range(1, 11)) for session in ("a", "b", "c")}
    bodies = Counter(received.body for received in receiver.received)
    assert len(bodies) == len(events)  # a retry is byte-identical


async def test_a_code_overtakes_a_long_backlog(tmp_path: Path, receiver: Receiver) -> None:
    backlog = [an_event(seq, f"s{session}") for seq in range(1, 41) for session in range(50)]
    async with dispatching(tmp_path / "manager.db", an_endpoint(url=receiver.url)) as (database, dispatcher):
        await database.write(partial(outbox.append, events=backlog))
        dispatcher.wake()
        await receiver.until(100)

        now = SystemClock().now().at
        await database.write(partial(outbox.append, events=[a_code(at=now)]))
        dispatcher.wake()
        before = len(receiver.received)
        while not any(received.json["type"] == "session.qr" for received in receiver.received[before:]):
            await receiver.until(len(receiver.received) + 1)

        assert len(receiver.received) - before < 200
