"""Keeps the logs of all engines small: looks at how much was written, and rotates those that grow too large."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field, replace
from functools import partial
from pathlib import Path

import structlog

from openwa_manager.domain.errors import FilesStuckError
from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.host.capacity import free_disk_bytes
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.logs.logfile import LogPolicy, has_rotated, make_room, rotate
from openwa_manager.host.logs.logtail import size_of

_log = structlog.get_logger()

#: However many engines there are, a log may grow to this before it is rotated.
_LOG_MIN_BYTES = 65_536
#: How soon all logs are looked at again: sooner when one of them would be full before, and never more often.
_PAUSE_MAX_S, _PAUSE_MIN_S = 1.0, 0.05
#: While the disk has hardly lost room they are not looked at before this: a look at 200 logs takes up to 8 ms.
_QUIET_MAX_S = 10.0
#: How much of a full log the disk may have lost for that.
_QUIET_SHARE = 0.25
#: A rotation copies what the log holds; a look is quick, unless a disk does not answer.
_ROTATE_WITHIN_S, _LOOK_WITHIN_S = 5.0, 1.0
#: No session's: all logs are looked at in one go, unless that hangs on one of them.
_ALL = SessionId("/logs")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """How long the logs were, and when that was looked at (boot clock).

    `free_bytes` is what was free before on the disks they are on, by their root; at `max_bytes` a log is full.
    """

    sizes: Mapping[SessionId, int]
    boot_s: float
    free_bytes: Mapping[Path, int] = field(default_factory=dict)
    max_bytes: int = 0


class EngineLogs:
    """The logs of all sessions: each is rotated, and together they never take much more than the policy says."""

    def __init__(self, policy: LogPolicy, files: EngineFiles) -> None:
        self._policy = policy
        self._files = files
        self._last = _Look(sizes={}, boot_s=0.0)
        self._known: Collection[SessionId] = ()

    async def are_quiet(self, boot_s: float) -> bool:
        """Tell whether no log has grown by much since all were looked at: their disks have hardly lost room.

        What others give back to a disk may hide a growth, for ten seconds at most.
        """
        last = self._last
        if not last.free_bytes or boot_s >= last.boot_s + _QUIET_MAX_S:
            return False
        free_bytes = await self._free_on(last.free_bytes)
        lost = [last.free_bytes[root] - free_bytes[root] for root in free_bytes]
        return bool(lost) and max(lost) <= last.max_bytes * _QUIET_SHARE

    async def keep_small(self, logs: Mapping[SessionId, ForeignPath], boot_s: float) -> float:
        """Rotate what has grown too large, then remove the oldest parts of all if need be.

        Returns after how many seconds to look again: by what was written since the last look, not by the clock alone.
        """
        share_bytes = self._policy.total_max_bytes // (2 * max(1, len(logs)))  # the rest is for what is being written
        max_bytes = max(_LOG_MIN_BYTES, min(self._policy.log_max_bytes, share_bytes))
        free_bytes = await self._free_on({log.root for log in logs.values()})  # first: what is written then is lost
        known = self._last.sizes
        sizes = await self._files.run_for_each(
            lambda session_id: size_of(logs[session_id], known.get(session_id)),
            logs,
            queue=_ALL,
            within_s=_LOOK_WITHIN_S,
        )
        look = _Look(sizes=sizes, boot_s=boot_s, free_bytes=free_bytes, max_bytes=max_bytes)
        due = [session_id for session_id, size_bytes in look.sizes.items() if size_bytes >= max_bytes]
        async with asyncio.TaskGroup() as rotations:
            for session_id in due:
                rotations.create_task(self._rotate(session_id, logs[session_id], max_bytes))
        if due or await self._bring_more(logs):
            await self._make_room(logs)
        self._known = logs.keys()
        pause_s = _pause_s(self._last, look, max_bytes)
        left = {each: 0 if each in due else size_bytes for each, size_bytes in look.sizes.items()}
        self._last = replace(look, sizes=left)
        return pause_s

    async def _free_on(self, roots: Iterable[Path]) -> Mapping[Path, int]:
        """Return how much is free on the disks of these directories; nothing when one of them does not answer."""
        try:
            look = partial(_free_bytes, list(roots))
            return await self._files.run(_ALL, look, within_s=_LOOK_WITHIN_S)
        except (FilesStuckError, OSError):
            return {}

    async def _rotate(self, session_id: SessionId, log: ForeignPath, max_bytes: int) -> None:
        work = partial(rotate, log, max_bytes=max_bytes, kept=self._policy.copies)
        try:
            is_rotated = await self._files.run(session_id, work, within_s=_ROTATE_WITHIN_S)
        except (FilesStuckError, OSError) as error:
            _log.warning("log_not_rotated", path=str(log), error=str(error))
            return
        if is_rotated:
            _log.info("log_rotated", path=str(log))

    async def _bring_more(self, logs: Mapping[SessionId, ForeignPath]) -> bool:
        """Tell whether sessions have come that bring old logs; others need no look at all the parts there are."""
        come = [log for session_id, log in logs.items() if session_id not in self._known]
        try:
            return bool(come) and await self._files.run(_ALL, partial(has_rotated, come, self._policy.copies))
        except FilesStuckError:
            return True

    async def _make_room(self, logs: Mapping[SessionId, ForeignPath]) -> None:
        max_bytes = self._policy.total_max_bytes
        work = partial(make_room, [*logs.values()], max_bytes=max_bytes, kept=self._policy.copies)
        try:
            count = await self._files.run(_ALL, work)
        except FilesStuckError as error:
            _log.warning("logs_not_removed", error=str(error))
            return
        if count:
            _log.warning("logs_removed", count=count, max_bytes=max_bytes)


def _free_bytes(roots: Iterable[Path]) -> Mapping[Path, int]:
    return {root: free_disk_bytes(root) for root in roots}


def _pause_s(last: _Look, look: _Look, max_bytes: int) -> float:
    """Return when the log that grows fastest will be full, if that is soon."""
    elapsed_s, pause_s = max(_PAUSE_MIN_S, look.boot_s - last.boot_s), _PAUSE_MAX_S
    for session_id, size_bytes in look.sizes.items():
        grown_bytes = size_bytes - last.sizes.get(session_id, size_bytes)
        if grown_bytes > 0:
            left_bytes = max_bytes if size_bytes >= max_bytes else max_bytes - size_bytes
            pause_s = min(pause_s, left_bytes * elapsed_s / grown_bytes)
    return max(_PAUSE_MIN_S, pause_s)
