"""Restarts a session's supervisor from disk after a bug; the third bug in 10 minutes ends its engine."""

from collections import deque
from functools import partial
from typing import Protocol

import structlog

from openwa_manager.domain.errors import StoreDamagedError
from openwa_manager.domain.ports import Target
from openwa_manager.domain.session.session import Launch, ProcessState, Session
from openwa_manager.domain.session.stimuli import EngineEnded, Observation, SupervisionFailed
from openwa_manager.processes.host_limits import is_host_limit
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.reconciler import examine
from openwa_manager.store.sessions import registry

_log = structlog.get_logger()

_BUGS_MAX = 3
_BUG_WINDOW_S = 600.0
#: The pause after the first bug; it doubles with each further one in the window, up to the second number.
_PAUSE_S, _PAUSE_MAX_S = 1.0, 60.0


class Supervised(Protocol):
    """What runs one session, as far as its bulkhead knows it."""

    @property
    def is_gone(self) -> bool:
        """Tell whether the session was deleted."""
        ...

    @property
    def session(self) -> Session:
        """Return the session as last recorded."""
        ...

    async def run(self) -> None:
        """Handle what comes in until the session is gone."""
        ...

    def rebuild(self, session: Session) -> None:
        """Start over from what is on disk."""
        ...

    def tell(self, *observations: Observation) -> None:
        """Put what was observed into the mailbox."""
        ...


async def keep_running(supervisor: Supervised, dependencies: Dependencies) -> None:
    """Run a supervisor until its session is gone; the third bug within 10 min ends the engine and fails the session."""
    bugs: deque[float] = deque()
    is_broken = False
    while not supervisor.is_gone:
        try:
            # Not after the first turn alone: starting over may break too, and counts as a bug like any other.
            if is_broken:
                await _start_over(supervisor, dependencies, is_given_up=len(bugs) >= _BUGS_MAX)
            is_broken = True
            await supervisor.run()
        except Exception as error:
            if _is_damage(error):  # no session can go on; the next daemon puts the database aside
                raise
            now_s = dependencies.clock.now().boot_s
            if is_host_limit(error):  # no bug: the host has run out of something
                _log.warning("supervisor_interrupted", session_id=supervisor.session.session_id, error=repr(error))
            else:
                _log.exception("supervisor_failed", session_id=supervisor.session.session_id)
                bugs.append(now_s)
            while bugs and now_s - bugs[0] >= _BUG_WINDOW_S:
                bugs.popleft()
            await dependencies.clock.sleep_until(now_s + min(_PAUSE_MAX_S, _PAUSE_S * 2 ** max(0, len(bugs) - 1)))


def _is_damage(error: Exception) -> bool:
    if isinstance(error, ExceptionGroup):
        return error.subgroup(StoreDamagedError) is not None
    return isinstance(error, StoreDamagedError)


async def _start_over(supervisor: Supervised, dependencies: Dependencies, *, is_given_up: bool) -> None:
    session_id = supervisor.session.session_id
    recorded = await dependencies.database.read(partial(registry.load_session, session_id=session_id))
    session = recorded or supervisor.session
    supervisor.rebuild(session)
    if session.process is ProcessState.STOPPED:  # a stopped session must not be started by our own bug
        return
    # A person wants it stopped, and our bug is in the way of just that: the engine may not outlive the bug.
    if is_given_up and session.process is ProcessState.STOPPING and session.launch is not None:
        supervisor.tell(await _end(session, session.launch, dependencies))
        return
    supervisor.tell(await examine(session, dependencies, at_daemon_start=False))
    if is_given_up:
        supervisor.tell(SupervisionFailed())


async def _end(session: Session, launch: Launch, dependencies: Dependencies) -> EngineEnded:
    """End an engine in place of its supervisor, which has failed at that again and again."""
    target = Target(
        session_id=session.session_id,
        launch_id=launch.launch_id,
        directory=dependencies.directory(session.session_id),
        identity=launch.identity,
    )
    ended = await dependencies.launcher.end(target, dependencies.stop_grace_s)
    return EngineEnded(launch_id=launch.launch_id, exit=ended)
