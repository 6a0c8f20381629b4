"""Compares what the registry says of an engine with what the operating system says, when a session is taken up."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import structlog

from openwa_manager.domain.ports import Target
from openwa_manager.domain.session.session import LaunchId, Session, SessionId
from openwa_manager.domain.session.stimuli import Resumed
from openwa_manager.services.starting.dependencies import Dependencies

_log = structlog.get_logger()

_RETRY_S = 1.0


async def examine(session: Session, dependencies: Dependencies, *, at_daemon_start: bool) -> Resumed:
    """Return what became of the session's engine while nobody watched; a stranger under its pid is never touched."""
    resumed = await _examine(session, dependencies)
    return replace(resumed, at_daemon_start=at_daemon_start)


async def _examine(session: Session, dependencies: Dependencies) -> Resumed:
    launch = session.launch
    if launch is None:
        return Resumed(is_alive=False)
    launcher = dependencies.launcher
    identity = launch.identity or await asyncio.to_thread(launcher.find, launch.launch_id)
    if identity is None:
        return Resumed(is_alive=False)
    if not launcher.is_alive(identity):
        return Resumed(is_alive=False, exit=await launcher.wait(identity))
    if launcher.holds_lock(session.session_id, launch.launch_id, identity):
        return Resumed(is_alive=True, identity=identity)
    target = Target(
        session_id=session.session_id,
        launch_id=launch.launch_id,
        directory=dependencies.directory(session.session_id),
        identity=identity,
    )
    return Resumed(is_alive=False, exit=await launcher.end(target, dependencies.stop_grace_s))


async def end_remaining_processes(ended: Mapping[SessionId, LaunchId], dependencies: Dependencies) -> None:
    """End the processes that are left of launches which ended shortly before the last daemon did."""

    async def sweep(session_id: SessionId, launch_id: LaunchId) -> None:
        directory = dependencies.directory(session_id)
        target = Target(session_id=session_id, launch_id=launch_id, directory=directory, identity=None)
        if count := await dependencies.launcher.sweep(target):
            _log.info("remaining_processes_ended", session_id=session_id, count=count)

    async with asyncio.TaskGroup() as sweeps:
        for session_id, launch_id in ended.items():
            sweeps.create_task(sweep(session_id, launch_id))


async def examine_at_start(session: Session, dependencies: Dependencies) -> Resumed:
    """Do the same when the daemon starts; try again every second while the host has no file descriptor left for it."""
    clock = dependencies.clock
    while True:
        try:
            return await examine(session, dependencies, at_daemon_start=True)
        except OSError as error:  # too many open files, as a rule
            _log.warning("process_not_examined", error=str(error), retry_in_s=_RETRY_S)
        await clock.sleep_until(clock.now().boot_s + _RETRY_S)


def latest_connection_first(session: Session) -> float:
    """Return the key that sorts the most recently connected sessions first."""
    return -(session.last_connected_at or 0.0)
