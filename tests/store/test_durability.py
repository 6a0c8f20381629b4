import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from openwa_manager.store.database import Database
from openwa_manager.store.delivery.outbox import read_events

WRITER = """
import asyncio, sys
from functools import partial
from pathlib import Path
from openwa_manager.domain.delivery.events import Event
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.outbox import append

async def write_on(database, name):
    number = 0
    while True:
        number += 1
        (stored,) = await database.write(partial(append, events=[Event(type=name, occurred_at=float(number))]))
        print(stored.id, flush=True)

async def main():
    async with Database(Path(sys.argv[1])) as database, asyncio.TaskGroup() as tasks:
        for name in ("a", "b", "c", "d"):
            tasks.create_task(write_on(database, name))

asyncio.run(main())
"""


@pytest.mark.parametrize("count", [1, 100, 400])
async def test_whatever_was_acknowledged_survives_a_kill(tmp_path: Path, count: int) -> None:
    path = tmp_path / "manager.db"
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    acknowledged = [await writer.stdout.readline() for _ in range(count)]

    os.kill(writer.pid, signal.SIGKILL)

    acknowledged += [line async for line in writer.stdout if line.endswith(b"\n")]
    await writer.wait()
    async with Database(path) as database:
        kept = {stored.id for stored in await database.read(lambda c: read_events(c, limit=1_000_000).events)}
        assert {line.decode().strip() for line in acknowledged} <= kept
        assert await database.read(_integrity) == "ok"


def _integrity(connection: sqlite3.Connection) -> str:
    (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    return str(verdict)
