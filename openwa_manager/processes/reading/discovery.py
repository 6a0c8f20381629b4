"""Finds engines nobody has on record: by their launch id, their working directory and the lock they hold."""

from collections.abc import Collection
from pathlib import Path

from openwa_manager.domain.ports import FoundEngine
from openwa_manager.domain.session.session import LaunchId, SessionId, is_session_id
from openwa_manager.host.user_paths import spelled_on_disk
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.reading.identity import environment_in_launch, is_alive
from openwa_manager.processes.reading.ownership import is_proven, launch_of
from openwa_manager.processes.reading.places import working_dir_of
from openwa_manager.processes.reading.table import Process, ProcessTable, read_processes, tag_of


def find_engines(sessions_root: Path, locks: SessionLocks, known: Collection[LaunchId] = ()) -> list[FoundEngine]:
    """Return every live engine below this root: it was launched by us, works there and holds its session's lock.

    What an engine started may work in the same place and hold the lock, too, if the engine is a shell: the oldest is
    the engine. Those of `known` launches are left out. Blocks.
    """
    found: dict[SessionId, FoundEngine] = {}
    root = str(spelled_on_disk(sessions_root))
    table = ProcessTable(read_processes())
    for process in sorted(table, key=lambda process: (process.started, process.pid)):
        engine = _engine_of(process, table, root, locks, known)
        if engine is not None:
            found.setdefault(engine.session_id, engine)
    return list(found.values())


def _engine_of(
    process: Process, table: ProcessTable, sessions_root: str, locks: SessionLocks, known: Collection[LaunchId]
) -> FoundEngine | None:
    parent, _, name = working_dir_of(process.pid).rpartition("/")
    if parent != sessions_root or not is_session_id(name):
        return None
    session_id, tag = SessionId(name), tag_of(process.pid)
    launch_id = None if tag is None else launch_of(process.pid, tag)
    if tag is None or launch_id is None or launch_id in known:
        return None
    if not is_proven(process.pid, session_id, launch_id, locks):
        return None
    started = (each.identity for each in table.descendants([process.identity]))
    environment = environment_in_launch(launch_id, (process.identity, *started))
    if not is_alive(process.identity):
        return None
    return FoundEngine(
        session_id=session_id,
        launch_id=launch_id,
        identity=process.identity,
        environment=environment,
        arguments=tag.arguments,
    )
