"""`qr.png` in the session directories: seen the moment it is whole."""

import asyncio
import dataclasses
import hashlib
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import TypeVar

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.ports import Clock, Instant
from openwa_manager.domain.session.png import is_whole_png
from openwa_manager.domain.session.session import Launch, LaunchId, SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.foreign.opening import glance_at
from openwa_manager.watcher.directory_watch import ROOT, DirectoryId, DirectoryWatch, WatchSource
from openwa_manager.watcher.qr_file import FileState, read_changed_qr
from openwa_manager.watcher.system_source import system_source

#: By how much a file may be dated before it was written: the kernel takes the time of its last tick.
_TICK_S = 0.01
#: By how much NTP moves the clock in small steps that change nothing.
_CLOCK_STEP_S = 1.0
#: A look that takes longer is none: the next one follows soon.
_LOOK_WITHIN_S = 2.0
#: No session's: the looks wait for each other, and for nothing else.
_LOOKS = SessionId("/qr")

_READABLE = stat.S_IRUSR | stat.S_IXUSR

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class QrImage:
    """A whole image that was found as a session's `qr.png`: by which launch, and when it was made (wall time)."""

    session_id: SessionId
    launch_id: LaunchId
    image: bytes = field(repr=False)
    produced_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Code:
    """The code of a launch that was found last, and when it was made, on the clock that is never set."""

    launch_id: LaunchId
    sha256: str
    produced_boot_s: float


@dataclasses.dataclass(slots=True, kw_only=True)
class _DirectoryState:
    """What is known of one session's directory.

    `looked_boot_s` says when it was looked at last (None: never), `cleared_for` before which launch its image was
    removed.
    """

    looked_boot_s: float | None = None
    cleared_for: LaunchId | None = None
    file: FileState | None = None
    code: _Code | None = None


class QrWatcher:
    """Calls `on_image` once for each whole image that appears as `<root>/<session id>/qr.png`.

    `awaited` names the sessions whose code is expected now, with their launches: only their directories are watched, so
    that nothing is done while nobody pairs, and no engine's other files are heard of. They are also looked at every
    2 s (where `source`, by default this system's own, does not tell of writes into a file, 0.5 s), which catches what
    the watch missed and an image that was torn when it was seen.

    An image is of the launch that was awaited before it was read; so nobody may be awaited whose directory may still
    hold one of an earlier launch. That is why a launch whose process is not recorded counts only once `expect` was
    called.
    """

    def __init__(
        self,
        root: Path,
        on_image: Callable[[QrImage], None],
        awaited: Callable[[], Mapping[SessionId, Launch]],
        clock: Clock,
        files: EngineFiles,
        source: WatchSource | None = None,
    ) -> None:
        self._root = root
        self._files = files
        self._on_image = on_image
        self._awaited = awaited
        self._clock = clock
        self._known: dict[SessionId, _DirectoryState] = {}
        self._woken = asyncio.Event()
        self._watch = DirectoryWatch(source or system_source(root, files), clock, self._scan, self.wake)

    def wake(self) -> None:
        """Find out now whose codes are awaited; call it whenever that may have changed."""
        self._woken.set()

    def expect(self, session_id: SessionId, launch_id: LaunchId) -> None:
        """Look for the codes of a launch that begins; call it once the image of an earlier one is removed."""
        self._known[session_id] = _DirectoryState(looked_boot_s=self._clock.now().boot_s, cleared_for=launch_id)
        self._woken.set()

    async def run(self) -> None:
        """Watch and scan while any code is awaited, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch.run())
            tasks.create_task(self._keep_scanning())

    async def _keep_scanning(self) -> None:
        while True:
            self._woken.clear()
            awaited = self._awaited_now()
            self._watch.follow(await self._find_directories(awaited) if awaited else {})
            if not awaited:
                await self._woken.wait()
                continue
            await self._scan(awaited)
            await self._clock.sleep_until(self._clock.now().boot_s + self._watch.pause_s(len(awaited)))
            await self._clock.wait(self._woken, self._clock.now().boot_s + self._watch.scan_period_s)

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
        files = {session_id: self._state_of(session_id).file for session_id in wanted}
        found = await self._for_each(lambda each: read_changed_qr(self._place(each), files[each]), wanted)
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
        return ForeignPath(root=self._root, parts=(session_id,))

    async def _find_directories(self, session_ids: Iterable[SessionId]) -> dict[SessionId, DirectoryId]:
        """Return the root and those sessions' directories that can be watched, each with its identity."""
        found: dict[SessionId, DirectoryId] = {}

        with suppress(OSError):
            status = await asyncio.to_thread(self._root.stat)
            found[ROOT] = (status.st_dev, status.st_ino)
        # Above a session's directory is the admin's: a glance at it is as good as a look.
        statuses = await self._for_each(lambda session_id: glance_at(self._place(session_id)), session_ids)
        for session_id, each in statuses.items():
            if each is not None and _can_be_watched(each.st_mode):
                found[session_id] = (each.st_dev, each.st_ino)
        return found

    def _note(self, session_id: SessionId, launch_id: LaunchId, found: tuple[bytes, FileState] | None) -> None:
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


def _can_be_watched(mode: int) -> bool:
    """Tell whether this is a directory, no link that may lead anywhere, and not one that its engine has closed to us.

    One that is refused would end the watch of all the others.
    """
    return stat.S_ISDIR(mode) and stat.S_IMODE(mode) & _READABLE == _READABLE


def _age_s(now: Instant, state: _DirectoryState, file: FileState, launch_id: LaunchId, sha256: str) -> float | None:
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
