"""A watcher at work, and what it saw."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Identity, Launch, LaunchId, SessionId
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.watcher.directory_watch import WatchSource
from openwa_manager.watcher.qr import QrImage, QrWatcher
from openwa_manager.watcher.qr_file import write_qr
from openwa_manager.watcher.vnode_watch import VnodeWatch
from tests.fakes.clock import settle
from tests.fakes.kqueue.queue import FakeKernel
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
    kernel: FakeKernel = field(default_factory=FakeKernel)

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


class Watching(Protocol):
    """Has a watcher at work while the body runs, for these sessions."""

    def __call__(self, root: Path, clock: Clock, *awaited: SessionId) -> AbstractAsyncContextManager[Collector]: ...


#: The ways to learn of changes that work here: macOS's everywhere, for on other systems a fake keeps to its rules.
SOURCES = ("vnode",) if sys.platform == "darwin" else ("watchfiles", "vnode")


def watching_by(source: str) -> Watching:
    """Return what watches by this source."""

    @asynccontextmanager
    async def watching(root: Path, clock: Clock, *awaited: SessionId) -> AsyncIterator[Collector]:
        collector, files = Collector(root, {session_id: a_launch() for session_id in (PROBE, *awaited)}), EngineFiles()
        made_source = source_named(source, root, files, collector.kernel)
        watcher = QrWatcher(root, collector, lambda: collector.awaited, clock, files, made_source)
        collector.wake, collector.expect = watcher.wake, watcher.expect
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(watcher.run())
            try:
                yield collector
            finally:
                watch.cancel()

    return watching


def source_named(name: str, root: Path, files: EngineFiles, kernel: FakeKernel) -> WatchSource:
    if name == "vnode":
        return VnodeWatch(root, files, kernel.open)
    from openwa_manager.watcher.watchfiles_watch import WatchfilesWatch

    return WatchfilesWatch(root)
