"""Finds engines nobody has on record: by their launch id, their working directory and the lock they hold."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import psutil

from openwa_manager.domain.ports import FoundEngine
from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, LaunchId, SessionId, is_session_id
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.reading.identity import environment_of
from openwa_manager.processes.reading.ownership import is_proven
from openwa_manager.processes.reading.table import Process, read_processes


def find_engines(sessions_root: Path, locks: SessionLocks, known: Collection[LaunchId] = ()) -> list[FoundEngine]:
    """Return every live engine below this root: it was launched by us, works there and holds its session's lock.

    What an engine started carries its launch id and may work in the same place, but does not hold the lock. Those of
    `known` launches are left out. Blocks.
    """
    found: dict[SessionId, FoundEngine] = {}
    root = Path(os.path.realpath(sessions_root))
    for process in sorted(read_processes(), key=lambda process: (process.started, process.pid)):
        environment = environment_of(process.identity)
        launch_id = environment.get(LAUNCH_ID_VARIABLE)
        if launch_id is None or launch_id in known:
            continue
        engine = _engine_of(process, LaunchId(launch_id), environment, root, locks)
        if engine is not None:
            found.setdefault(engine.session_id, engine)
    return list(found.values())


def _engine_of(
    process: Process, launch_id: LaunchId, environment: Mapping[str, str], sessions_root: Path, locks: SessionLocks
) -> FoundEngine | None:
    try:
        seen = psutil.Process(process.pid)
        directory, arguments = Path(seen.cwd()), seen.cmdline()
        session_id = SessionId(directory.name)
        if directory.parent != sessions_root or not is_session_id(session_id):
            return None
    except psutil.Error:
        return None
    if not is_proven(process.pid, session_id, launch_id, locks):
        return None
    return FoundEngine(
        session_id=session_id,
        launch_id=launch_id,
        identity=process.identity,
        environment=environment,
        arguments=arguments,
    )
