"""`qr.png` in the session directories: seen the moment it is whole, written and removed for engines that write none."""

import asyncio
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import structlog
from watchfiles import Change, awatch
from watchfiles._rust_notify import WatchfilesRustInternalError

from openwa_manager.domain.foreign_path import ForeignPath, of_session
from openwa_manager.domain.ports import Clock, Instant
from openwa_manager.domain.session.png import PNG_MAX_BYTES, is_whole_png
from openwa_manager.domain.session.session import Launch, LaunchId, SessionId, is_session_id
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.foreign.opening import opened, status_of
from openwa_manager.host.foreign.trees import remove
from openwa_manager.host.foreign.writing import write_file

QR_FILE = "qr.png"
#: Every write below the root restarts the step, a filter does not help: beside an engine that writes its auth files 50
#: times a second the defaults (1600/50) showed a code after 1.5 s, these after 23 ms.
_STEP_MS, _DEBOUNCE_MS = 10, 50
#: Opening the watch stops everything for 50 us per directory (measured): with many it is done less often.
_PAUSE_PER_DIRECTORY_S = 0.005
_SCAN_PERIOD_S, _SCAN_PERIOD_WITHOUT_WATCH_S, _WATCH_RETRY_S, _GONE_PAUSE_S = 2.0, 1.0, 30.0, 0.05
#: By how much a file may be dated before it was written: the kernel takes the time of its last tick.
_TICK_S = 0.01
#: By how much NTP moves the clock in small steps that change nothing.
_CLOCK_STEP_S = 1.0
#: A look that takes longer is none: the next one follows soon.
_LOOK_WITHIN_S = 2.0
#: No session's: the looks wait for each other, and for nothing else.
_LOOKS = SessionId("/qr")

_log = structlog.get_logger()

T = TypeVar("T")

_DirectoryId = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class QrImage:
    """A whole image that was found as a session's `qr.png`: by which launch, and when it was made (wall time)."""

    session_id: SessionId
    launch_id: LaunchId
    image: bytes = field(repr=False)
    produced_at: float


@dataclass(frozen=True, slots=True)
class _FileState:
    """One state of a file: equal stamps mean nothing was written in between; `modified_at` is wall time."""

    stamp: tuple[int, int, int, int]
    modified_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Code:
    """The code of a launch that was found last, and when it was made, on the clock that is never set."""

    launch_id: LaunchId
    sha256: str
    produced_boot_s: float


@dataclass(slots=True, kw_only=True)
class _DirectoryState:
    """What is known of one session's directory.

    `looked_boot_s` says when it was looked at last (None: never), `cleared_for` before which launch its image was
    removed.
    """

    looked_boot_s: float | None = None
    cleared_for: LaunchId | None = None
    file: _FileState | None = None
    code: _Code | None = None


class QrWatcher:
    """Calls `on_image` once for each whole image that appears as `<root>/<session id>/qr.png`.

    `awaited` names the sessions whose code is expected now, with their launches: only their directories are watched, so
    that nothing is done while nobody pairs, and no engine's other files are heard of. They are also looked at every
    2 s, which catches what the watch missed and an image that was torn when it was seen.

    An image is of the launch that was awaited before it was read; so nobody may be awaited whose directory may still
    hold one of an earlier launch. That is why a launch that does not run yet counts only once `expect` was called.
    """

    def __init__(
        self,
        root: Path,
        on_image: Callable[[QrImage], None],
        awaited: Callable[[], Mapping[SessionId, Launch]],
        clock: Clock,
        files: EngineFiles,
    ) -> None:
        self._root = root
        self._files = files
        self._on_image = on_image
        self._awaited = awaited
        self._clock = clock
        self._known: dict[SessionId, _DirectoryState] = {}
        self._has_watch = True
        self._watched: Mapping[Path, _DirectoryId] = {}
        self._watched_changed = asyncio.Event()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Find out now whose codes are awaited; call it whenever that may have changed."""
        self._woken.set()

    def expect(self, session_id: SessionId, launch_id: LaunchId) -> None:
        """Look for the codes of a launch that is about to begin; call it once the image in its directory is removed."""
        self._known[session_id] = _DirectoryState(looked_boot_s=self._clock.now().boot_s, cleared_for=launch_id)
        self._woken.set()

    async def run(self) -> None:
        """Watch and scan while any code is awaited, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            tasks.create_task(self._keep_scanning())

    async def _keep_scanning(self) -> None:
        while True:
            self._woken.clear()
            awaited = self._awaited_now()
            watched = await self._find_directories(awaited) if awaited else {}
            if watched != self._watched:
                self._watched = watched
                self._watched_changed.set()
            if not awaited:
                await self._woken.wait()
                continue
            await self._scan(awaited)
            await self._clock.sleep_until(self._clock.now().boot_s + _PAUSE_PER_DIRECTORY_S * len(awaited))
            period_s = _SCAN_PERIOD_S if self._has_watch else _SCAN_PERIOD_WITHOUT_WATCH_S
            await self._clock.wait(self._woken, self._clock.now().boot_s + period_s)

    def _awaited_now(self) -> dict[SessionId, LaunchId]:
        awaited = self._awaited()
        self._known = {session_id: state for session_id, state in self._known.items() if session_id in awaited}
        return {
            session_id: launch.launch_id
            for session_id, launch in awaited.items()
            if launch.identity is not None or self._state_of(session_id).cleared_for == launch.launch_id
        }

    def _state_of(self, session_id: SessionId) -> _DirectoryState:
        return self._known.setdefault(session_id, _DirectoryState())

    async def _scan(self, session_ids: Iterable[SessionId]) -> None:
        """Look at the files of these sessions now; what is older than another look by now is not reported."""
        awaited, began_s = self._awaited_now(), self._clock.now().boot_s
        wanted = [session_id for session_id in session_ids if session_id in awaited]
        found = await self._for_each(lambda session_id: read_qr(self._place(session_id)), wanted)
        still_awaited = self._awaited_now()
        for session_id, image in found.items():
            if still_awaited.get(session_id) != awaited[session_id]:
                continue
            state = self._state_of(session_id)
            if state.looked_boot_s is None or state.looked_boot_s <= began_s:
                self._note(session_id, awaited[session_id], image)
                state.looked_boot_s = began_s

    async def _for_each(
        self, work: Callable[[SessionId], T], session_ids: Iterable[SessionId]
    ) -> Mapping[SessionId, T]:
        return await self._files.run_for_each(work, session_ids, queue=_LOOKS, within_s=_LOOK_WITHIN_S)

    def _place(self, session_id: SessionId) -> ForeignPath:
        return of_session(self._root / session_id)

    async def _find_directories(self, session_ids: Iterable[SessionId]) -> dict[Path, _DirectoryId]:
        """Return the root and those sessions' directories, if they exist, each with what tells it from a later one."""
        found: dict[Path, _DirectoryId] = {}

        with suppress(OSError):
            status = await asyncio.to_thread(self._root.stat)
            found[self._root] = (status.st_dev, status.st_ino)
        statuses = await self._for_each(lambda session_id: status_of(self._place(session_id)), session_ids)
        for session_id, each in statuses.items():
            if each is not None and stat.S_ISDIR(each.st_mode):  # a link may lead anywhere
                found[self._root / session_id] = (each.st_dev, each.st_ino)
        return found

    async def _watch(self) -> None:
        while True:
            self._watched_changed.clear()
            if not self._watched:
                await self._watched_changed.wait()
                continue
            try:
                await self._follow(tuple(self._watched))
            except FileNotFoundError:  # one of them went away just now
                self.wake()
                await self._clock.sleep_until(self._clock.now().boot_s + _GONE_PAUSE_S)
            except (OSError, UnicodeEncodeError, WatchfilesRustInternalError) as error:  # a path may be no UTF-8
                await self._do_without_watch(error)
            except ExceptionGroup as errors:  # pragma: no cover (a watch that breaks off; nothing makes it do so)
                troubles, bugs = errors.split(WatchfilesRustInternalError)
                if bugs is not None:
                    raise bugs from errors
                await self._do_without_watch(troubles)

    async def _do_without_watch(self, error: Exception | None) -> None:
        """Scan only, and more often, for a while."""
        if self._has_watch:
            _log.warning("qr_watch_unavailable", error=str(error), scan_period_s=_SCAN_PERIOD_WITHOUT_WATCH_S)
        self._has_watch = False
        await self._clock.sleep_until(self._clock.now().boot_s + _WATCH_RETRY_S)

    async def _follow(self, directories: Iterable[Path]) -> None:
        """Pass on what changes in these directories until others are to be watched."""
        root = await asyncio.to_thread(self._root.resolve)  # FSEvents reports real paths

        def is_qr(_: Change, path: str) -> bool:
            if str(root) in (path, path.rpartition("/")[0]):  # a session's directory came or went, or the root itself
                self._watched = {}
                self._watched_changed.set()
                self.wake()
            return session_of(root, path) is not None

        watch = awatch(
            *(root / directory.relative_to(self._root) for directory in directories),
            watch_filter=is_qr,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            stop_event=self._watched_changed,
            recursive=False,
            force_polling=False,
        )
        self.wake()  # so that it is scanned once more after the watch has been opened: nothing falls in between
        async with aclosing(watch) as batches:
            async for batch in batches:
                self._has_watch = True
                await self._scan({session_id for _, path in batch if (session_id := session_of(root, path))})

    def _note(self, session_id: SessionId, launch_id: LaunchId, found: tuple[bytes, _FileState] | None) -> None:
        """Report what was found, if it is a whole image and another one than before."""
        state = self._state_of(session_id)
        if found is None:
            state.file = None
            return
        image, file = found
        if state.file == file or not is_whole_png(image):
            return
        state.file = file
        now, sha256 = self._clock.now(), hashlib.sha256(image).hexdigest()
        age_s = _age_s(now, state, file, launch_id, sha256)
        if age_s is None:
            return
        state.code = _Code(launch_id=launch_id, sha256=sha256, produced_boot_s=now.boot_s - age_s)
        self._on_image(QrImage(session_id=session_id, launch_id=launch_id, image=image, produced_at=now.at - age_s))


def _age_s(now: Instant, state: _DirectoryState, file: _FileState, launch_id: LaunchId, sha256: str) -> float | None:
    """Return how long ago the code in this file was made, also when the wall clock was set since; None: unknown.

    A code that was seen before is as old as it was then and what has passed since. A file that has appeared since the
    last look is no older than that look; one that says otherwise was dated by a clock that has been set since. One
    from before the first look that is dated later than now may have expired long ago: the engine makes another.
    """
    known = state.code
    if known is not None and (known.launch_id, known.sha256) == (launch_id, sha256):
        return now.boot_s - known.produced_boot_s
    age_s = now.at - file.modified_at
    if state.looked_boot_s is None:
        return None if age_s < -_CLOCK_STEP_S else max(0.0, age_s)
    return age_s if 0 <= age_s <= now.boot_s - state.looked_boot_s + _TICK_S else 0.0


def session_of(root: Path, path: str) -> SessionId | None:
    """Return whose code a path below `root` is; None when it is anything else."""
    session_id, separator, rest = path.removeprefix(f"{root}/").partition("/")
    return SessionId(session_id) if separator and rest == QR_FILE and is_session_id(session_id) else None


def read_qr(directory: ForeignPath) -> tuple[bytes, _FileState] | None:
    """Return the file's bytes and state; None when there is none of a sane size, or something else. Blocks."""
    try:
        with opened(directory.child(QR_FILE)) as file:
            status = os.fstat(file.fileno())
            if status.st_size > PNG_MAX_BYTES:
                return None
            stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            return file.read(PNG_MAX_BYTES + 1), _FileState(stamp=stamp, modified_at=status.st_mtime)
    except OSError:
        return None


def write_qr(directory: ForeignPath, image: bytes) -> None:
    """Put an image where the directory contract promises it, whole or not at all, readable by the owner only."""
    write_file(directory.child(QR_FILE), image, is_durable=False)  # it is of no use after a power cut


def remove_qr(directory: ForeignPath, sha256: str | None = None) -> None:
    """Remove the image, or whatever lies in its place; with `sha256` only if it is that one. Blocks."""
    if sha256 is not None and (found := read_qr(directory)) and hashlib.sha256(found[0]).hexdigest() != sha256:
        return
    with suppress(NotADirectoryError):
        remove(directory.child(QR_FILE))
