"""Runs a supervisor for every session: those recorded, from the daemon's start on, and those that are created."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

import structlog

from openwa_manager.domain.errors import DrainingError, OpenwaManagerError
from openwa_manager.domain.session.session import Desired, LaunchId, Session, SessionId
from openwa_manager.domain.session.stimuli import StartRequested
from openwa_manager.services.sessions.engine_inbox import EngineInbox
from openwa_manager.services.sessions.supervisor import Supervisor
from openwa_manager.services.sessions.supervisors import Supervisors
from openwa_manager.services.starting.bulkhead import keep_running
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.progress import Progress
from openwa_manager.services.starting.reconciler import (
    end_remaining_processes,
    examine_at_start,
    latest_connection_first,
)
from openwa_manager.store.sessions import registry

_log = structlog.get_logger()

#: How long those who can start wait for those that are still being looked at, so that all start in their order.
_ORDER_WITHIN_S = 5.0


class SessionRunner:
    """Owns the tasks of all supervisors; a session that is gone is forgotten here and in the inbox."""

    def __init__(
        self, supervisors: Supervisors, dependencies: Dependencies, progress: Progress, inbox: EngineInbox
    ) -> None:
        self._supervisors = supervisors
        self._dependencies = dependencies
        self._progress = progress
        self._inbox = inbox
        self._group: asyncio.TaskGroup | None = None
        self._last_launches: Mapping[SessionId, LaunchId] = {}

    async def load(self, sessions: Sequence[Session]) -> None:
        """Know every recorded session, as it was left; the sockets of launches that have ended are removed."""
        sockets = [each.launch.socket for each in sessions if each.launch and each.launch.socket]
        await asyncio.to_thread(self._dependencies.sockets.sweep, sockets)
        for session in sessions:
            self._supervisors.add(Supervisor(session, self._dependencies))
        self._last_launches = await self._dependencies.database.read(registry.last_launches)

    async def run(self) -> None:
        """Adopt what lives and replace what died, most recently connected first; then run them all until cancelled."""
        supervisors = sorted(self._supervisors, key=lambda each: latest_connection_first(each.session))
        self._progress.begin()
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(end_remaining_processes(self._last_launches, self._dependencies))
            for supervisor in supervisors:
                group.create_task(self._keep(supervisor))
            await self._resume_all(supervisors)
            self._progress.finish()
            alive = sum(each.session.pid is not None for each in self._supervisors)
            _log.info("sessions_resumed", count=len(supervisors), alive=alive)
            await asyncio.Event().wait()  # the group must be there for sessions to come

    @property
    def is_draining(self) -> bool:
        """Tell whether the daemon is about to end."""
        return self._progress.is_draining

    def drain(self) -> None:
        """Take no new sessions any more, and send those away who wait for something to happen."""
        self._progress.is_draining = True
        self.wake()

    def wake(self) -> None:
        """Have every supervisor look at its session now, since something about the host itself has changed."""
        for supervisor in self._supervisors:
            supervisor.tell()

    def require_open(self) -> None:
        """Accept new sessions.

        Raises:
            DrainingError: the daemon is starting or stopping.
        """
        self._open_group()

    async def begin(self, session: Session, desired: Desired, within_s: float) -> Session:
        """Return a new session once it is recorded.

        One that is to run is launched or held up when this returns, or `within_s` have passed.

        Raises:
            DrainingError: the daemon is starting or stopping.
            StorageFullError: it could not be recorded; it is unknown again.
        """
        group = self._open_group()
        supervisor = Supervisor.of_new_session(session, self._dependencies)
        self._supervisors.add(supervisor)
        running = group.create_task(self._keep(supervisor))
        try:
            if desired is Desired.STOPPED:
                return await supervisor.hear(())
            await supervisor.ask(StartRequested())
        except OpenwaManagerError:  # not when a caller hangs up: the session may be on disk by then
            if not supervisor.is_recorded:
                running.cancel()
                self._supervisors.remove(supervisor)
            raise
        return await supervisor.until_launched(within_s)

    def _open_group(self) -> asyncio.TaskGroup:
        if self._group is None or self._progress.is_draining:
            raise DrainingError("the daemon is not taking new sessions now")
        return self._group

    async def _resume_all(self, supervisors: Sequence[Supervisor]) -> None:
        """Take up all sessions at once; engines start in the order given here, whichever was looked at first."""
        clock, gate = self._dependencies.clock, self._dependencies.gate
        missing, all_resumed = {each.session.session_id for each in supervisors}, asyncio.Event()

        async def resume(supervisor: Supervisor) -> None:
            await self._resume(supervisor)
            missing.discard(supervisor.session.session_id)
            if not missing:
                all_resumed.set()

        gate.hold()
        async with asyncio.TaskGroup() as adoption:
            for supervisor in supervisors:
                adoption.create_task(resume(supervisor))
            if missing:
                await clock.wait(all_resumed, clock.now().boot_s + _ORDER_WITHIN_S)
            gate.release([each.session.session_id for each in supervisors])

    async def _resume(self, supervisor: Supervisor) -> None:
        resumed = await examine_at_start(supervisor.session, self._dependencies)
        with suppress(OpenwaManagerError):  # a supervisor that fails meanwhile is taken up again by its bulkhead
            await supervisor.hear((resumed,))
        self._progress.note_adopted(supervisor.session.session_id)

    async def _keep(self, supervisor: Supervisor) -> None:
        structlog.contextvars.clear_contextvars()  # whoever created the session did not ask for all it does from now on
        await keep_running(supervisor, self._dependencies)
        self._supervisors.remove(supervisor)
        self._inbox.forget(supervisor.session.session_id)
        self._dependencies.inner_ids.release(supervisor.session.session_id)
