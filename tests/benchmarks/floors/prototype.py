"""Supervises the trivial engine durably with as little as that takes: what a daemon adds to it is measured.

It records first, and makes two commits around each posix_spawn: that an engine is going to run, and which pid it has.
HTTP is bare aiohttp on a unix socket. It knows no keys, limits, directories, locks, steps, events or back-off.

python -m tests.benchmarks.floors.prototype HOME
"""

import asyncio
import json
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aiohttp import web

from tests.benchmarks.floors.disk import open_durable
from tests.benchmarks.floors.hello import serve
from tests.benchmarks.floors.processes import floor_process
from tests.benchmarks.floors.spawning import spawn_engine
from tests.run.leftovers import end_all, find_leftovers


@dataclass(frozen=True, slots=True)
class RunningPrototype:
    """A prototype that runs: `pid` is its own."""

    home: Path
    pid: int
    key: str = ""

    def recorded(self) -> dict[str, int]:
        """Return which process runs for which session, as the database says."""
        with closing(sqlite3.connect(self.home / "manager.db")) as connection:
            return dict(connection.execute("SELECT session_id, pid FROM launch"))


@contextmanager
def running_prototype(disk: Path | None = None) -> Iterator[RunningPrototype]:
    """Run it until left, on this disk (None: where temporary files are); its engines end with it.

    It takes `POST /v1/sessions` with a `session_id` on `home/run/manager.sock`.
    """
    with tempfile.TemporaryDirectory(prefix="openwa-bench-", dir=disk) as folder:
        home = Path(folder)
        (home / "run").mkdir()
        try:
            with floor_process("prototype", folder) as process:
                yield RunningPrototype(home, process.pid)
        finally:
            end_all(find_leftovers(home))


@dataclass
class Prototype:
    """The engines' one owner; `pids` is what the table says."""

    connection: sqlite3.Connection
    pids: dict[str, int] = field(default_factory=dict)

    def launch(self, session_id: str) -> int:
        """Record that it is going to run, start it, record which one it is, and return that pid."""
        self.connection.execute("INSERT OR REPLACE INTO launch VALUES (?, NULL)", (session_id,))
        pid = self.pids[session_id] = spawn_engine()
        self.connection.execute("UPDATE launch SET pid = ? WHERE session_id = ?", (pid, session_id))
        self._watch(session_id, pid)
        return pid

    def _watch(self, session_id: str, pid: int) -> None:
        if sys.platform != "linux":
            raise NotImplementedError("pidfds are Linux's")
        descriptor = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(descriptor, partial(self._replace, session_id, pid, descriptor))

    def _replace(self, session_id: str, pid: int, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        self.launch(session_id)
        os.waitpid(pid, 0)
        os.close(descriptor)


async def _serve(home: Path) -> None:
    connection = open_durable(home / "manager.db")
    connection.execute("CREATE TABLE launch (session_id TEXT PRIMARY KEY, pid INTEGER)")
    prototype = Prototype(connection)

    async def create(request: web.Request) -> web.Response:
        session_id = json.loads(await request.read())["session_id"]
        return web.json_response({"session_id": session_id, "pid": prototype.launch(session_id)}, status=201)

    app = web.Application()
    app.router.add_post("/v1/sessions", create)
    os.chdir(home)  # its engines are found by their working directory
    await serve(app, home / "run" / "manager.sock")


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
