"""`qr.png` in the session directories: seen the moment it is whole, written and removed for engines that write none."""

import asyncio
import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
from watchfiles import Change, awatch
from watchfiles._rust_notify import WatchfilesRustInternalError

from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId, is_session_id
from openwa_manager.host.files import write_file
from openwa_manager.watcher.png import PNG_MAX_BYTES, is_whole_png

QR_FILE = "qr.png"
#: Every write below the root restarts the step, a filter does not help: beside an engine that writes its auth files 50
#: times a second the defaults (1600/50) showed a code after 1.5 s, these after 23 ms.
_STEP_MS, _DEBOUNCE_MS = 10, 50
#: Opening the watch stops everything for 50 us per directory (measured): with many it is done less often.
_PACE_S = 0.005
_SCAN_PERIOD_S, _BLIND_SCAN_PERIOD_S, _WATCH_RETRY_S, _GONE_PAUSE_S = 2.0, 1.0, 30.0, 0.05
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_log = structlog.get_logger()

OnImage = Callable[[SessionId, bytes, float], None]
_Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Seen:
    """One state of a file: equal stamps mean nothing was written in between; `modified_at` is wall time."""

    stamp: tuple[int, int, int, int]
    modified_at: float


class QrWatcher:
    """Calls `on_image(session_id, png, produced_at)` once for each whole image that appears as `<root>/<id>/qr.png`.

    `produced_at` is the file's modification time (wall). `awaited` names the sessions whose code is expected now: only
    their directories are watched, so that nothing is done while nobody pairs, and no engine's other files are heard of.
    They are also looked at every 2 s, which catches what the watch missed and an image that was torn when it was seen.
    """

    def __init__(
        self, root: Path, on_image: OnImage, awaited: Callable[[], Collection[SessionId]], clock: Clock
    ) -> None:
        self._root = root
        self._on_image = on_image
        self._awaited = awaited
        self._clock = clock
        self._seen: dict[SessionId, _Seen] = {}
        self._is_blind = False
        self._places: Mapping[Path, _Identity] = {}
        self._have_changed = asyncio.Event()
        self._woken = asyncio.Event()

    def look_again(self) -> None:
        """Find out whose codes are awaited; call it whenever that may have changed."""
        self._woken.set()

    async def run(self) -> None:
        """Watch and scan while any code is awaited, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            tasks.create_task(self._keep_looking())

    async def _keep_looking(self) -> None:
        while True:
            self._woken.clear()
            awaited = tuple(self._awaited())
            places = await asyncio.to_thread(_places_of, self._root, awaited) if awaited else {}
            if places != self._places:
                self._places = places
                self._have_changed.set()
            if not awaited:
                await self._woken.wait()
                continue
            await self._scan(awaited)
            await self._clock.sleep_until(self._clock.now().boot_s + _PACE_S * len(awaited))
            period_s = _BLIND_SCAN_PERIOD_S if self._is_blind else _SCAN_PERIOD_S
            await self._clock.wait(self._woken, self._clock.now().boot_s + period_s)

    async def _scan(self, session_ids: Iterable[SessionId]) -> None:
        """Look at the files of these sessions now, all in one hop to a thread."""
        for session_id, found in await asyncio.to_thread(self._read_all, tuple(session_ids)):
            self._take(session_id, found)

    async def _watch(self) -> None:
        while True:
            self._have_changed.clear()
            if not self._places:
                await self._have_changed.wait()
                continue
            try:
                await self._follow(tuple(self._places))
            except FileNotFoundError:  # one of them went away just now
                self.look_again()
                await self._clock.sleep_until(self._clock.now().boot_s + _GONE_PAUSE_S)
            except (OSError, WatchfilesRustInternalError) as error:
                await self._go_blind(error)
            except ExceptionGroup as errors:  # pragma: no cover (a watch that breaks off; nothing makes it do so)
                troubles, bugs = errors.split(WatchfilesRustInternalError)
                if bugs is not None:
                    raise bugs from errors
                await self._go_blind(troubles)

    async def _go_blind(self, error: Exception | None) -> None:
        """Do without a watch for a while."""
        if not self._is_blind:
            _log.warning("qr_watch_unavailable", error=str(error), scan_period_s=_BLIND_SCAN_PERIOD_S)
        self._is_blind = True
        await self._clock.sleep_until(self._clock.now().boot_s + _WATCH_RETRY_S)

    async def _follow(self, places: Iterable[Path]) -> None:
        """Pass on what changes in these directories until others are to be watched."""
        root = await asyncio.to_thread(self._root.resolve)  # FSEvents reports real paths

        def is_qr(_: Change, path: str) -> bool:
            if str(root) in (path, path.rpartition("/")[0]):  # a session's directory came or went, or the root itself
                self._places = {}
                self._have_changed.set()
                self.look_again()
            return session_of(root, path) is not None

        watch = awatch(
            *(root / place.relative_to(self._root) for place in places),
            watch_filter=is_qr,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            stop_event=self._have_changed,
            recursive=False,
            force_polling=False,
        )
        self.look_again()  # which comes after the watch has been opened: nothing falls in between
        async with aclosing(watch) as batches:
            async for batch in batches:
                self._is_blind = False
                await self._scan({session_id for _, path in batch if (session_id := session_of(root, path))})

    def _read_all(self, session_ids: Iterable[SessionId]) -> list[tuple[SessionId, tuple[bytes, _Seen] | None]]:
        return [(session_id, read_qr(self._root / session_id)) for session_id in session_ids]

    def _take(self, session_id: SessionId, found: tuple[bytes, _Seen] | None) -> None:
        if found is None:
            self._seen.pop(session_id, None)
            return
        image, seen = found
        if self._seen.get(session_id) == seen or not is_whole_png(image):
            return
        self._seen[session_id] = seen
        self._on_image(session_id, image, seen.modified_at)


def session_of(root: Path, path: str) -> SessionId | None:
    """Return whose code a path below `root` is; None when it is anything else."""
    session_id, separator, rest = path.removeprefix(f"{root}/").partition("/")
    return SessionId(session_id) if separator and rest == QR_FILE and is_session_id(session_id) else None


def read_qr(directory: Path) -> tuple[bytes, _Seen] | None:
    """Return the file's bytes and state; None when there is none of a sane size. Symbolic links are not followed."""
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            file = os.open(QR_FILE, _READ_FLAGS, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError:
        return None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > PNG_MAX_BYTES:
            return None
        stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        with os.fdopen(file, "rb", closefd=False) as reader:
            return reader.read(PNG_MAX_BYTES + 1), _Seen(stamp=stamp, modified_at=status.st_mtime)
    finally:
        os.close(file)


def write_qr(directory: Path, image: bytes) -> None:
    """Put an image where the directory contract promises it, whole or not at all, readable by the owner only."""
    write_file(directory / QR_FILE, image, is_durable=False)  # it is of no use after a power cut


def remove_qr(directory: Path, sha256: str | None = None) -> None:
    """Remove the image, if there is one; with `sha256` only if it is that one."""
    if sha256 is not None and (found := read_qr(directory)) and hashlib.sha256(found[0]).hexdigest() != sha256:
        return
    with suppress(FileNotFoundError, NotADirectoryError):
        (directory / QR_FILE).unlink()


def _places_of(root: Path, session_ids: Iterable[SessionId]) -> dict[Path, _Identity]:
    """Return the root and those sessions' directories, if they exist, each with what tells it from a later one."""
    places: dict[Path, _Identity] = {}
    for place in (root, *(root / session_id for session_id in session_ids)):
        with suppress(OSError):
            status = place.stat()
            places[place] = (status.st_dev, status.st_ino)
    return places
