"""Asks supervisors for what a caller wants: create, start, stop, restart, log out, delete or change a session."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog

from openwa_manager.domain.access.scopes import EVERY_SESSION, SessionScope
from openwa_manager.domain.errors import (
    DrainingError,
    IllegalTransitionError,
    InvalidInputError,
    OwnedElsewhereError,
    SessionNotFoundError,
)
from openwa_manager.domain.foreign_path import ForeignPath, of_session
from openwa_manager.domain.session.launch_facts import LockHeld, OwnedBy
from openwa_manager.domain.session.session import (
    Desired,
    Launch,
    ProcessState,
    Session,
    SessionId,
    Spec,
    is_session_id,
)
from openwa_manager.domain.session.stimuli import (
    DeleteRequested,
    LogoutRequested,
    PairingRequested,
    RestartRequested,
    StartRequested,
    StopRequested,
)
from openwa_manager.engines.credentials import read_engine_key
from openwa_manager.host.foreign.opening import status_of
from openwa_manager.services.sessions.new_session import NewSession
from openwa_manager.services.sessions.runner import SessionRunner
from openwa_manager.services.sessions.supervisor import Supervisor
from openwa_manager.services.sessions.supervisors import Supervisors
from openwa_manager.services.starting.dependencies import Dependencies

_log = structlog.get_logger()

#: How long a caller waits for a launch at most, unless he says less; the launch goes on.
LAUNCH_WITHIN_S = 10.0
#: How long the caller of a deletion waits for its end.
_DELETE_WITHIN_S = 28.0
#: Where no process of ours is: whoever runs an engine in the directory then is somebody else.
_WITHOUT_ENGINE = (ProcessState.STOPPED, ProcessState.BACKOFF, ProcessState.FAILED)
#: How often it is looked whether a session that is being deleted is gone.
_GONE_CHECK_S = 0.02


class SessionRequests:
    """What callers may ask for; each returns once the answer is recorded.

    `delete_within_s` is how long the caller of a deletion waits for its end.
    """

    def __init__(
        self,
        supervisors: Supervisors,
        dependencies: Dependencies,
        runner: SessionRunner,
        default_engine: str,
        delete_within_s: float = _DELETE_WITHIN_S,
    ) -> None:
        self._supervisors = supervisors
        self._dependencies = dependencies
        self._runner = runner
        self._default_engine = default_engine
        self._delete_within_s = delete_within_s

    async def create(self, wanted: NewSession, within_s: float = LAUNCH_WITHIN_S) -> tuple[Session, bool]:
        """Return the session and whether it is new.

        A new one is launched or held up when this returns, or `within_s` have passed.

        Raises:
            InvalidInputError: the id is not legal or the engine unknown.
            SessionExistsError: one with this id differs in a field that was given.
            IllegalTransitionError: one with this id is being deleted, and was not gone within `within_s`.
            DrainingError: the daemon is starting or stopping.
            StorageFullError: it could not be recorded; nothing was created.
            FilesStuckError: what is left of its directory does not answer; nothing was created.
            OwnedElsewhereError: somebody else's engine runs in what is left of its directory; nothing was created.
        """
        session_id = wanted.session_id
        if not is_session_id(session_id):
            raise InvalidInputError("session_id", "must match ^[a-z0-9][a-z0-9_-]{0,62}$")
        present = await self._find_present(session_id, within_s)
        if present is not None:
            wanted.require_same(present)
            return present, False
        self._runner.require_open()
        engine = wanted.engine or self._default_engine
        if engine not in self._dependencies.engines:
            raise InvalidInputError("engine", f"must be one of {', '.join(sorted(self._dependencies.engines))}")
        key = await self._find_key(SessionId(session_id), will_run=wanted.desired is Desired.RUNNING)
        if self._supervisors.find(session_id) is not None:  # somebody else made it meanwhile
            return await self.create(wanted, within_s)
        session = wanted.to_session(SessionId(session_id), engine, key, self._dependencies.clock.now().at)
        return await self._runner.begin(session, wanted.desired, within_s), True

    async def start(self, session_id: str, within_s: float = LAUNCH_WITHIN_S) -> Session:
        """Run the session's engine from now on; return once it is launched or held up, at the latest after `within_s`.

        Raises:
            SessionNotFoundError | IllegalTransitionError | StorageFullError
            OwnedElsewhereError: somebody else's engine runs in its directory; the session is failed.
        """
        supervisor = self._supervisors.get(session_id)
        await supervisor.ask(StartRequested())
        return await _launched(supervisor, within_s)

    async def pair(self, session_id: str, phone_number: str | None) -> Session:
        """Run the session's engine so that it shows codes; with a number (digits) no other account stays linked.

        Raises:
            SessionNotFoundError | StorageFullError
            IllegalTransitionError: it is linked already, or to another number, or is being deleted.
        """
        return await self._supervisors.get(session_id).ask(PairingRequested(phone_number=phone_number))

    async def stop(self, session_id: str) -> Session:
        """Begin to end the session's engine and keep it down.

        Raises:
            SessionNotFoundError | IllegalTransitionError
        """
        return await self._supervisors.get(session_id).ask(StopRequested())

    async def stop_all(self, scope: SessionScope = EVERY_SESSION, *, until_start: bool) -> None:
        """Begin to end every engine in a scope; with `until_start` they come back when the daemon starts again."""
        request = StopRequested(until_start=until_start)

        async def stop(supervisor: Supervisor) -> None:
            with suppress(SessionNotFoundError, DrainingError):  # deleted meanwhile, or being taken up anew
                await supervisor.ask(request)

        async with asyncio.TaskGroup() as asking:
            for supervisor in self._supervisors:
                if scope.names(supervisor.session.session_id):
                    asking.create_task(stop(supervisor))

    async def restart(self, session_id: str, within_s: float = LAUNCH_WITHIN_S) -> Session:
        """Begin to end the session's engine and start it anew; one that has none is started as by `start`.

        Raises:
            SessionNotFoundError | IllegalTransitionError | StorageFullError
            OwnedElsewhereError: it has none, and somebody else's runs in its directory; the session is failed.
        """
        supervisor = self._supervisors.get(session_id)
        has_engine = supervisor.session.process not in _WITHOUT_ENGINE
        session = await supervisor.ask(RestartRequested())
        return session if has_engine else await _launched(supervisor, within_s)

    async def log_out(self, session_id: str) -> Session:
        """Unlink the device, then end the engine and keep it down.

        Raises:
            IllegalTransitionError: no engine runs.
            EngineError: the engine has no such call or refused; nothing changed.
        """
        supervisor = self._supervisors.get(session_id)
        launch = _running_launch(supervisor.session)
        await self._dependencies.log_out_of(supervisor.session).log_out(supervisor.session, launch)
        return await supervisor.ask(LogoutRequested())

    async def delete(self, session_id: str, *, keep_data: bool, log_out: bool) -> Session | None:
        """Return None once the engine is proven dead, its directory gone and the session forgotten.

        What takes longer goes on without the caller: then the session is returned, whose reason says what is in the
        way. With `log_out` the device is unlinked first if that is possible.

        Raises:
            SessionNotFoundError | StorageFullError
            OwnedElsewhereError: it has no engine, and somebody else's runs in its directory; nothing happened.
            DrainingError: the daemon ends before that; the next one goes on with it.
        """
        supervisor = self._supervisors.get(session_id)
        due_s = asyncio.get_running_loop().time() + self._delete_within_s
        session = supervisor.session
        if session.process in _WITHOUT_ENGINE:
            directory = self._dependencies.directory(session.session_id)
            await self._dependencies.launcher.find_own(session.session_id, directory)
        if log_out:
            await self._unlink(supervisor)
        await supervisor.ask(DeleteRequested(keep_data=keep_data))
        try:
            async with asyncio.timeout_at(due_s):
                await supervisor.until(lambda _: self._runner.is_draining)
        except TimeoutError:
            return supervisor.session
        if supervisor.is_gone:
            return None
        raise DrainingError(f"the daemon is shutting down; the next one goes on deleting session {session_id}")

    async def _unlink(self, supervisor: Supervisor) -> None:
        """Unlink the device of a session that is about to be deleted; that goes on if it is impossible."""
        session = supervisor.session
        try:
            launch = _running_launch(session)
        except IllegalTransitionError as error:
            _log.warning("not_unlinked_before_end", session_id=session.session_id, error=str(error))
        else:
            await self._dependencies.unlink_device(session, launch)

    async def change(self, session_id: str, update: Callable[[Spec], Spec]) -> Session:
        """Keep new choices for the session's next launch; changes made at the same time follow each other.

        Raises:
            SessionNotFoundError | StorageFullError
        """
        return await self._supervisors.get(session_id).change(update)

    async def request_pairing_code(self, session_id: str, phone_number: str) -> str:
        """Ask the engine for a code to type into the phone with this number (digits only).

        Raises:
            IllegalTransitionError: no engine runs.
            EngineError: the engine has no such call or refused.
        """
        session = self._supervisors.get(session_id).session
        launch = _running_launch(session)
        return await self._dependencies.pairing_of(session).request_pairing_code(session, launch, phone_number)

    async def _find_key(self, session_id: SessionId, *, will_run: bool) -> str:
        """Return the key that a directory that was kept wants to be opened with, or a new one.

        Raises:
            OwnedElsewhereError: the session is to run, and somebody else's engine runs there.
        """
        dependencies, directory = self._dependencies, self._dependencies.directory(session_id)
        look = partial(_look_into, of_session(directory))
        is_there, key = await dependencies.files.run(session_id, look)
        if will_run and is_there:
            await dependencies.launcher.find_own(session_id, directory)
        return key or secrets.token_hex(32)

    async def _find_present(self, session_id: str, within_s: float) -> Session | None:
        """Return the session that has this id, None when there is none; one that is being deleted is waited for."""
        clock = self._dependencies.clock
        due_boot_s = clock.now().boot_s + within_s
        while (present := self._supervisors.find(session_id)) is not None:
            with suppress(SessionNotFoundError):
                return await present.hear(())
            now_s = clock.now().boot_s
            if now_s >= due_boot_s:
                raise IllegalTransitionError(f"{session_id}: it is being deleted; try again later")
            await clock.sleep_until(now_s + _GONE_CHECK_S)
        return None


def _look_into(directory: ForeignPath) -> tuple[bool, str | None]:
    """Return whether anything lies in a new session's place, and the key that its engine is to be opened with."""
    return (True, read_engine_key(directory)) if status_of(directory) is not None else (False, None)


async def _launched(supervisor: Supervisor, within_s: float) -> Session:
    """Return the session once its engine is launched or held up, at the latest after `within_s`.

    Raises:
        OwnedElsewhereError: somebody else's runs in its directory.
    """
    session = await supervisor.until_launched(within_s)
    owner = session.reason.facts if session.reason and session.process is ProcessState.FAILED else None
    if isinstance(owner, OwnedBy | LockHeld):
        raise OwnedElsewhereError(owner)
    return session


def _running_launch(session: Session) -> Launch:
    if session.launch is None or session.process is not ProcessState.RUNNING:
        raise IllegalTransitionError(f"{session.session_id}: not possible while the session is {session.status}")
    return session.launch
