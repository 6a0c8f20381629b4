"""What it costs to watch directories for codes: our own watcher, and watchfiles, which is said to hang on macOS."""

import asyncio
import os
import select
import shutil
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from openwa_manager.cli.selftest.facts import Facts, rounded_ms, spread_ms
from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Identity, Launch, LaunchId, SessionId
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.kernel.queue import (
    EV_CLEAR,
    EVFILT_VNODE,
    NOTE_DELETE,
    NOTE_RENAME,
    NOTE_WRITE,
    KernelQueue,
    open_kernel_queue,
)
from openwa_manager.watcher.directory_watch import Changed, Directories
from openwa_manager.watcher.qr import QrImage, QrWatcher
from openwa_manager.watcher.qr_file import write_qr
from openwa_manager.watcher.system_source import system_source

_DIRECTORY_COUNTS = (1, 20, 100)
_IMAGES, _OPENINGS = 10, 5
_SEEN_WITHIN_S = 5.0
_PAUSE_S = 0.02
#: As the watcher has them on Linux, and how long each watch is used.
_DEBOUNCE_MS, _STEP_MS, _WATCHED_MS = 50, 10, 20
#: The watcher's look before and after it has opened its watch.
_SETTLED_S = 0.7
#: The notes of a change have come by then.
_NOTED_WITHIN_S = 0.2
_NOTES = {"write": NOTE_WRITE, "delete": NOTE_DELETE, "rename": NOTE_RENAME}
#: As the watcher opens a directory on macOS, where O_EVTONLY (sys/fcntl.h) keeps no disk from being ejected.
_DIRECTORY_FLAGS = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_EVTONLY", os.O_RDONLY)


def _replace_directory(directory: Path) -> None:
    other = directory.with_name("other")
    other.mkdir()
    (directory / "file").unlink()
    other.rename(directory)


#: What may happen to a directory in which a `file` lies, and beside which there is a file of its name, `-outside`.
CHANGES: Mapping[str, Callable[[Path], object]] = {
    "create": lambda directory: (directory / "new").write_bytes(b"new"),
    "rewrite": lambda directory: (directory / "file").write_bytes(b"new"),
    "rename_into": lambda directory: directory.with_name(f"{directory.name}-outside").rename(directory / "file"),
    "rename_within": lambda directory: (directory / "file").rename(directory / "other"),
    "unlink": lambda directory: (directory / "file").unlink(),
    "rename_directory": lambda directory: directory.rename(directory.with_name("renamed")),
    "remove_directory": shutil.rmtree,
    "replace_directory": _replace_directory,
}


@dataclass
class _Seen:
    """The images that the watcher reported, and how to wait for the next."""

    images: list[bytes] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, found: QrImage) -> None:
        self.images.append(found.image)
        self.changed.set()

    async def until(self, image: bytes) -> None:
        while image not in self.images:
            self.changed.clear()
            await self.changed.wait()


def qr_watch(place: Path) -> Iterator[Facts]:
    """Measure how long after it was written our own watcher reports an image, beside so many awaited sessions."""
    for count in _DIRECTORY_COUNTS:
        root = place / str(count)
        sessions = [SessionId(f"session_{number}") for number in range(count)]
        for session_id in sessions:
            (root / session_id).mkdir(parents=True)
        yield {str(count): asyncio.run(_seen_after(root, sessions))}


async def _seen_after(root: Path, sessions: list[SessionId]) -> Facts:
    awaited, seen = {session_id: _launch() for session_id in sessions}, _Seen()
    watcher = QrWatcher(root, seen, lambda: awaited, SystemClock(), EngineFiles())
    durations_s, missed_count = [], 0
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watcher.run())
        await asyncio.sleep(_SETTLED_S)
        for number in range(_IMAGES):
            image, begun_s = _image(number), time.perf_counter()
            await asyncio.to_thread(write_qr, of_session(root / sessions[number % len(sessions)]), image)
            try:
                async with asyncio.timeout(_SEEN_WITHIN_S):
                    await seen.until(image)
                durations_s.append(time.perf_counter() - begun_s)
            except TimeoutError:
                missed_count += 1
            await asyncio.sleep(_PAUSE_S)
        watching.cancel()
    return {"seen_after": spread_ms(durations_s), "missed_count": missed_count}


def directory_watch(place: Path) -> Iterator[Facts]:
    """Measure what it costs to open our own watch of so many directories, and for how long it stops everything else."""
    for count in _DIRECTORY_COUNTS:
        root, directories = place / str(count), {}
        for session_id in [SessionId(f"session_{number}") for number in range(count)]:
            (root / session_id).mkdir(parents=True)
            status = (root / session_id).stat()
            directories[session_id] = (status.st_dev, status.st_ino)
        with _Stalls() as stalls:
            opened_s = [asyncio.run(_opened_after_s(root, directories)) for _ in range(_OPENINGS)]
        yield {str(count): {"open": spread_ms(opened_s), "longest_stall_ms": rounded_ms(stalls.longest_s)}}


async def _opened_after_s(root: Path, directories: Directories) -> float:
    source, until, begun_s = system_source(root, EngineFiles()), asyncio.Event(), time.perf_counter()
    ended_s: list[float] = []

    def note_opened() -> None:
        ended_s.append(time.perf_counter())
        asyncio.get_running_loop().call_later(_WATCHED_MS / 1e3, until.set)

    async def ignore(_: Changed) -> None: ...

    await source.follow(directories, until=until, opened=note_opened, changed=ignore)
    source.close()
    return ended_s[0] - begun_s


def directory_notes(place: Path) -> Iterator[Facts]:
    """Find out by which notes macOS announces each change of a directory."""
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        yield from notes_of_changes(open_kernel_queue, place)
    else:
        yield {}


def notes_of_changes(open_queue: Callable[[], KernelQueue], place: Path) -> Iterator[Facts]:
    """Make each kind of change in a new directory below `place`, and yield the notes that a new queue tells of it."""
    for name, change in CHANGES.items():
        directory = place / name
        directory.mkdir()
        (directory / "file").write_bytes(b"old")
        (place / f"{name}-outside").write_bytes(b"new")
        with ExitStack() as closed:
            queue = closed.enter_context(closing(open_queue()))
            fd = os.open(directory, _DIRECTORY_FLAGS)
            closed.callback(os.close, fd)
            queue.add(fd, EVFILT_VNODE, EV_CLEAR, sum(_NOTES.values()))
            change(directory)
            select.select([queue.fileno()], [], [], _NOTED_WITHIN_S)
            told = [event.fflags for event in queue.read()]
        yield {name: [note for note, bit in _NOTES.items() if any(bit & each for each in told)]}


def _launch() -> Launch:
    return Launch(
        launch_id=LaunchId("00000000-0000-4000-8000-000000000000"),
        number=1,
        port=0,
        secret="",
        cause=ReasonCode.REQUESTED,
        launched_at=0.0,
        identity=Identity(boot_id="", pid=1, started=1),
    )


def _image(number: int) -> bytes:
    """Return a whole image of one pixel; another number gives another one."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes((0, number)))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


class _Stalls:
    """Notices for how long no other thread could run: one that looks at the clock all the time."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(1)

    def _look(self) -> None:
        before_s = time.perf_counter()
        while not self._is_over.wait(0.0005):
            now_s = time.perf_counter()
            self.longest_s, before_s = max(self.longest_s, now_s - before_s), now_s


def watchfiles(place: Path) -> Iterator[Facts]:
    """Open and close a watch of watchfiles again and again, as each pairing does."""
    from watchfiles._rust_notify import RustNotify

    for count in _DIRECTORY_COUNTS:
        directories = [place / f"{count}-{number}" for number in range(count)]
        for directory in directories:
            directory.mkdir()
        opened_s, closed_s = [], []
        with _Stalls() as stalls:
            for _ in range(_OPENINGS):
                begun_s = time.perf_counter()
                watch = RustNotify(list(map(str, directories)), False, False, 300, False, False)
                opened_s.append(time.perf_counter() - begun_s)
                watch.watch(_DEBOUNCE_MS, _STEP_MS, _WATCHED_MS, None)
                begun_s = time.perf_counter()
                watch.close()
                closed_s.append(time.perf_counter() - begun_s)
        longest_ms = rounded_ms(stalls.longest_s)
        yield {str(count): {"open": spread_ms(opened_s), "close": spread_ms(closed_s), "longest_stall_ms": longest_ms}}
