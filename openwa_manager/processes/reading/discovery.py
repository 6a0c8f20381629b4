"""Finds engines nobody has on record: by their launch id, their working directory and the lock they hold."""

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, Identity, LaunchId, SessionId, is_session_id
from openwa_manager.processes.reading.identity import environment_of
from openwa_manager.processes.reading.table import Process, read_processes


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEngine:
    """A live engine, and what it was started with."""

    session_id: SessionId
    launch_id: LaunchId
    identity: Identity
    environment: Mapping[str, str] = field(repr=False)
    arguments: Sequence[str]


def find_engines(sessions_root: Path, locks: Path, known: Collection[LaunchId] = ()) -> list[FoundEngine]:
    """Return every live engine below this root: it was launched by us, works there and holds its session's lock.

    What an engine started carries its launch id and may work in the same place, but does not hold the lock. Those of
    `known` launches are left out. Blocks.
    """
    found: dict[SessionId, FoundEngine] = {}
    places = Path(os.path.realpath(sessions_root)), Path(os.path.realpath(locks))
    for process in sorted(read_processes(), key=lambda process: (process.started, process.pid)):
        environment = environment_of(process.identity)
        launch_id = environment.get(LAUNCH_ID_VARIABLE)
        if launch_id is None or launch_id in known:
            continue
        engine = _engine_of(process, LaunchId(launch_id), environment, *places)
        if engine is not None:
            found.setdefault(engine.session_id, engine)
    return list(found.values())


def _holds(process: psutil.Process, lock: str) -> bool:
    """Tell whether the process has this lock open, also one that was deleted meanwhile."""
    if sys.platform != "linux":
        return any(file.path == lock for file in process.open_files())  # pragma: no cover (macOS and others)
    for number in range(_LOCK_FD_MAX + 1):
        with suppress(OSError):
            if str(Path(f"/proc/{process.pid}/fd/{number}").readlink()).removesuffix(" (deleted)") == lock:
                return True
    return False


#: The lock is inherited under a number up to this one (docs/design.md, Launching, adopting and ending an engine).
_LOCK_FD_MAX = 15


def _engine_of(
    process: Process, launch_id: LaunchId, environment: Mapping[str, str], sessions_root: Path, locks: Path
) -> FoundEngine | None:
    try:
        seen = psutil.Process(process.pid)
        directory, arguments = Path(seen.cwd()), seen.cmdline()
        if directory.parent != sessions_root or not is_session_id(directory.name):
            return None
        if not _holds(seen, str(locks / f"{directory.name}.lock")):
            return None
    except psutil.Error:
        return None
    return FoundEngine(
        session_id=SessionId(directory.name),
        launch_id=launch_id,
        identity=process.identity,
        environment=environment,
        arguments=arguments,
    )
