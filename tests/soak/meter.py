"""Measures, in a process of its own, how long callers wait: `python -m tests.soak.meter PLAN FILE`.

Every 100 ms one call of each kind begins, whatever became of the earlier ones, so that a stall is seen by all who
call meanwhile. A line of JSON for each: its kind, when it began, how long it took in ms, and its status (0: none).
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import aiohttp

PERIOD_S = 0.1
#: A call that takes longer has failed.
LIMIT_S = 15.0
_PENDING_MAX = 400
_SENDS_EVERY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Whom to call: the daemon's and the bare server's address, the healthy sessions, and a socket of an engine."""

    daemon: str
    bare: str
    key: str
    neighbours: tuple[str, ...]
    sockets: tuple[str, ...]

    def write(self, path: Path) -> None:
        """Hand it to another process."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Return the plan in a file."""
        told = json.loads(path.read_text())
        return cls(**{**told, "neighbours": tuple(told["neighbours"]), "sockets": tuple(told["sockets"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One call."""

    kind: str
    at: float
    ms: float
    status: int


@dataclass(frozen=True, slots=True)
class _Callers:
    new: aiohttp.ClientSession
    kept: aiohttp.ClientSession
    engines: tuple[aiohttp.ClientSession, ...]


class Meter:
    """Calls again and again, and writes down how long each call took."""

    def __init__(self, plan: Plan, path: Path) -> None:
        self._plan = plan
        self._file = path.open("a", encoding="utf-8", buffering=1)

    async def run(self) -> None:
        """Measure until cancelled."""
        async with self._callers() as callers, asyncio.TaskGroup() as calls:
            pending: set[asyncio.Task[None]] = set()
            due_s = time.monotonic()
            for turn in count():
                if len(pending) < _PENDING_MAX:
                    for work in self._calls(callers, turn):
                        task = calls.create_task(work)
                        pending.add(task)
                        task.add_done_callback(pending.discard)
                due_s += PERIOD_S
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    @asynccontextmanager
    async def _callers(self) -> AsyncIterator[_Callers]:
        timeout = aiohttp.ClientTimeout(total=LIMIT_S)
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True), timeout=timeout) as new,
            aiohttp.ClientSession(headers={"X-API-Key": self._plan.key}, timeout=timeout) as kept,
        ):
            engines = tuple(
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(path, force_close=True), timeout=timeout)
                for path in self._plan.sockets
            )
            try:
                yield _Callers(new, kept, engines)
            finally:
                for each in engines:
                    await each.close()

    def _calls(self, callers: _Callers, turn: int) -> list[Coroutine[object, object, None]]:
        plan = self._plan
        neighbour = plan.neighbours[turn % len(plan.neighbours)]
        engine = callers.engines[turn % len(plan.neighbours)]
        message = {"chatId": "85212345678@c.us", "text": f"message {turn}"}
        path = f"/api/sessions/{neighbour}/messages/send-text"
        calls = [
            self._measure("livez", callers.new, "GET", f"{plan.daemon}/livez"),
            self._measure("bare", callers.new, "GET", f"{plan.bare}/livez"),
            self._measure("show", callers.kept, "GET", f"{plan.daemon}/v1/sessions/{neighbour}"),
            self._measure("engine", engine, "GET", "http://localhost/api/health"),
        ]
        if turn % _SENDS_EVERY == 0:  # sends of one session go one after the other, so none may meet the next
            calls.append(self._measure("send", callers.kept, "POST", f"{plan.daemon}{path}", message))
        return calls

    async def _measure(
        self,
        kind: str,
        caller: aiohttp.ClientSession,
        method: str,
        url: str,
        body: dict[str, str] | None = None,
    ) -> None:
        began_at, began_s, status = time.time(), time.monotonic(), 0  # noqa: TID251 (compared with other processes)
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with caller.request(method, url, json=body) as answer:
                await answer.read()
                status = answer.status
        ms = (time.monotonic() - began_s) * 1000
        print(json.dumps(asdict(Sample(kind=kind, at=began_at, ms=round(ms, 2), status=status))), file=self._file)


def samples_in(path: Path) -> list[Sample]:
    """Return what was measured; a last line that was cut off is left out."""
    lines = path.read_text().splitlines()
    return [Sample(**json.loads(line)) for line in lines if line.endswith("}")]


def main(words: list[str]) -> None:
    """Measure until killed; a little ahead of what is measured, where that is allowed."""
    with suppress(PermissionError):
        os.nice(-5)
    asyncio.run(Meter(Plan.read(Path(words[0])), Path(words[1])).run())


if __name__ == "__main__":
    main(sys.argv[1:])
