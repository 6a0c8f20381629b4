"""A watcher at work, and what it saw."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Identity, Launch, LaunchId, SessionId
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.watcher.qr import QrImage, QrWatcher, write_qr
from tests.fakes.clock import settle
from tests.fakes.polling import until
from tests.watcher.images import png

ALICE, BOB, PROBE = SessionId("alice"), SessionId("bob_1"), SessionId("probe")


def a_launch(name: str = "launch-1", *, runs: bool = True) -> Launch:
    identity = Identity(boot_id="boot", pid=4711, started=1) if runs else None
    return Launch(
        launch_id=LaunchId(name),
        number=1,
        port=0,
        secret="",
        cause=ReasonCode.REQUESTED,
        launched_at=0.0,
        identity=identity,
    )


@dataclass
class Collector:
    """Collects what the watcher saw and lets a test wait for it."""

    root: Path
    awaited: dict[SessionId, Launch] = field(default_factory=dict)
    seen: list[QrImage] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    numbers: Iterator[int] = field(default_factory=count)
    wake: Callable[[], None] = lambda: None
    expect: Callable[[SessionId, LaunchId], None] = lambda *_: None

    def __call__(self, found: QrImage) -> None:
        self.seen.append(found)
        self.news.set()

    def of(self, session_id: SessionId) -> list[bytes]:
        return [found.image for found in self.seen if found.session_id == session_id]

    def last_of(self, session_id: SessionId) -> QrImage:
        return [found for found in self.seen if found.session_id == session_id][-1]

    async def until(self, fits: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not fits():
                self.news.clear()
                await self.news.wait()

    async def until_seen(self, session_id: SessionId, image: bytes) -> None:
        await self.until(lambda: image in self.of(session_id))

    def place(self, session_id: SessionId) -> Path:
        place = self.root / session_id
        place.mkdir(parents=True, exist_ok=True)
        return place

    async def until_open(self, tick: Callable[[], Awaitable[None]] = settle) -> None:
        """Return once the watch is known to work: what is written from now on is seen.

        The first two images may be found by the scans before and after the watch opens; the third is the watch's.
        """
        for _ in range(3):
            await self._until_probe_seen(tick)

    async def _until_probe_seen(self, tick: Callable[[], Awaitable[None]]) -> None:
        for _ in range(1000):
            image = png(b"%d" % next(self.numbers), 9)
            await asyncio.to_thread(write_qr, of_session(self.place(PROBE)), image)
            await tick()
            with suppress(TimeoutError):
                await until(partial(self._has_seen, image), within_s=0.02)
                return
        pytest.fail("the watch never opened")

    def _has_seen(self, image: bytes) -> bool:
        return image in self.of(PROBE)


def made(root: Path) -> Path:
    root.mkdir()
    return root


@asynccontextmanager
async def watching(root: Path, clock: Clock, *awaited: SessionId) -> AsyncIterator[Collector]:
    collector = Collector(root, {session_id: a_launch() for session_id in (PROBE, *awaited)})
    watcher = QrWatcher(root, collector, lambda: collector.awaited, clock, EngineFiles())
    collector.wake, collector.expect = watcher.wake, watcher.expect
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(watcher.run())
        try:
            yield collector
        finally:
            watch.cancel()
