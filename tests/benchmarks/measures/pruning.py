"""How long commits and reads wait while the past is forgotten, against the same without it."""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from openwa_manager.domain.messaging.policy import MessageRetention
from openwa_manager.host.clock import SystemClock
from openwa_manager.services.messaging.generations import Generations
from openwa_manager.services.upkeep.store_upkeep import StoreUpkeep
from openwa_manager.store.backup.generation_file import GenerationFile
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.endpoints import save_endpoint
from openwa_manager.store.delivery.outbox import append
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, percentiles
from tests.store.delivery.samples import an_endpoint, an_event

_EVENTS, _ALONE_S = 200_000, 5.0
Waits = dict[str, list[float]]


def measure_pruning(share: int) -> Iterator[Row]:
    """Forget many delivered events, keys, messages and their attempts, and let others write and read meanwhile."""
    commits, reads, took_s = asyncio.run(_measure(_EVENTS // share, _ALONE_S / share))
    for name, waits in (("commit", commits), ("read", reads)):
        for percent, words in ((50, "median"), (99, "p99"), (100, "at most")):
            goals = (Goal(against="", factor=50.0),) if percent > 50 else ()
            values = percentiles(waits, percent, 1000)
            yield Row(name=f"{name} while pruning (floor: while not), {words}", unit="ms", values=values, goals=goals)
    yield Row(name="events, keys and messages forgotten", unit="s", values={OURS: took_s})


async def _measure(events: int, alone_s: float) -> tuple[Waits, Waits, float]:
    with tempfile.TemporaryDirectory(prefix="openwa-bench-") as name:
        folder, clock = Path(name), SystemClock()
        async with Database(folder / "manager.db") as database:
            await database.write(partial(save_endpoint, endpoint=an_endpoint()))
            await database.write(partial(_fill, count=events))
            await database.empty_log()
            generations = Generations(database, clock, GenerationFile(folder / "generation"))
            upkeep = StoreUpkeep(clock, database, folder, generations, MessageRetention())
            alone = await _waits_during(database, partial(asyncio.sleep, alone_s))
            began = time.perf_counter()
            pruning = await _waits_during(database, partial(upkeep.forget, clock.now().at))
            took_s = time.perf_counter() - began
    commits, reads = ({OURS: mine, FLOOR: other} for mine, other in zip(pruning, alone, strict=True))
    return commits, reads, took_s


async def _waits_during(database: Database, work: Callable[[], Awaitable[object]]) -> Sequence[list[float]]:
    """Return how long writes took and how long reads, one after the other, while this work was done (seconds)."""
    waits: tuple[list[float], list[float]] = ([], [])
    store = partial(append, events=[an_event(event_type="message.received", at=time.time())])  # noqa: TID251 (young)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(_repeat(partial(database.write, store), waits[0])),
            tasks.create_task(_repeat(database.check, waits[1])),
        ]
        await work()
        for each in running:
            each.cancel()
    return waits


async def _repeat(call: Callable[[], Awaitable[object]], waits: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await call()
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(0.002)


def _fill(connection: sqlite3.Connection, count: int) -> None:
    """Store what is long delivered or ended: events with a delivery each, keys of engines, messages with attempts."""
    connection.execute("CREATE TEMP TABLE number (i INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO number VALUES (?)", ((number,) for number in range(1, count + 1)))
    for statement in _FILL:
        connection.execute(statement)
    connection.execute("DROP TABLE number")


_FILL = (
    """INSERT INTO event SELECT NULL, hex(randomblob(16)), 's' || (i % 50), NULL, i / 50, 1, 'message.received',
        'lasting', i * 0.001, NULL, '{"body":"' || hex(randomblob(100)) || '"}' FROM number""",
    """INSERT INTO delivery SELECT seq, 'ep_1', 'main', session_id, class, 300, 'delivered', 0, 1, 0, 0, 1, 1, 200,
        NULL, 1 FROM event""",
    "INSERT INTO engine_event SELECT 's' || (i % 50), hex(randomblob(16)), i * 0.001 FROM number WHERE i % 2",
    """INSERT INTO message (message_id, session_id, user_key, route, priority, recipient, chat_id, is_first_contact,
            kind, body, body_sha256, size_bytes, status, attempt_count, created_at, expires_at, sent_at, ended_at,
            whatsapp_message_id)
        SELECT 'msg_' || i, 's' || (i % 50), 'u', 'api', 5, '852', '852' || (i % 1000) || '@c.us', 0, 'text',
            '{"text":"' || hex(randomblob(100)) || '"}', hex(randomblob(32)), 300, 'read', 1, 1, 2, 1, i * 0.001,
            hex(randomblob(10)) FROM number WHERE i % 5 = 0""",
    "INSERT INTO attempt SELECT seq, 1, 1, 1, 'sent', 200, NULL, NULL, '0.25', 'x', 'y', 'z' FROM message",
)
