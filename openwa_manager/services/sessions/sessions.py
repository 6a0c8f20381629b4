"""All sessions: who owns which, and the one way for the outside to reach them."""

import asyncio
import hashlib
import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import (
    DrainingError,
    EngineError,
    IllegalTransitionError,
    InvalidInputError,
    OpenwaManagerError,
    SessionNotFoundError,
)
from openwa_manager.domain.session.session import (
    Desired,
    Identity,
    Launch,
    LaunchId,
    LinkState,
    ProcessState,
    Session,
    SessionId,
    Spec,
    Step,
    is_session_id,
)
from openwa_manager.domain.session.stimuli import (
    DeleteRequested,
    LogoutRequested,
    QrProduced,
    RestartRequested,
    StartRequested,
    StopRequested,
)
from openwa_manager.engines.credentials import kept_key
from openwa_manager.services.monitoring.memory_guard import IDLE_S
from openwa_manager.services.monitoring.prober import ProbeTarget, is_probed
from openwa_manager.services.sessions.new_session import NewSession
from openwa_manager.services.sessions.supervisor import Supervisor
from openwa_manager.services.starting.adoption import Adoption
from openwa_manager.services.starting.bulkhead import keep_running
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.reconciler import by_last_connection, examine, patiently, sweep_leftovers
from openwa_manager.store import registry

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDelivery:
    """An event an engine posted; `idempotency_key` None means that it cannot be recognised when it is repeated."""

    event: str
    data: Mapping[str, Json]
    idempotency_key: str | None


class Sessions:
    """The façade: every session by its id, each run by its supervisor."""

    def __init__(self, dependencies: Dependencies, default_engine: str) -> None:
        self._dependencies = dependencies
        self._default_engine = default_engine
        self._supervisors: dict[SessionId, Supervisor] = {}
        self._heartbeats: dict[SessionId, LaunchId] = {}
        self._used_boot_s: dict[SessionId, float] = {}
        self._group: asyncio.TaskGroup | None = None
        self._last_launches: Mapping[SessionId, LaunchId] = {}
        self.is_draining = False
        self.adoption = Adoption(dependencies.clock)

    async def load(self) -> None:
        """Know every recorded session, as it was left."""
        for session in await self._dependencies.database.read(registry.load_sessions):
            self._supervisors[session.session_id] = Supervisor(session, self._dependencies)
        self._last_launches = await self._dependencies.database.read(registry.last_launches)

    async def run(self) -> None:
        """Adopt what lives and replace what died, most recently connected first; then run them all until cancelled."""
        supervisors = sorted(self._supervisors.values(), key=lambda each: by_last_connection(each.session))
        self.adoption.begin()
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(sweep_leftovers(self._last_launches, self._dependencies))
            for supervisor in supervisors:
                group.create_task(self._keep(supervisor))
            async with asyncio.TaskGroup() as adoption:
                for supervisor in supervisors:
                    adoption.create_task(self._resume(supervisor))
            self.adoption.end()
            _log.info("sessions_resumed", count=len(supervisors), alive=len(self.registry()))
            await asyncio.Event().wait()  # the group must be there for sessions to come

    @property
    def is_ready(self) -> bool:
        """Tell whether every session known at the start has been taken up."""
        return self.adoption.is_over

    def drain(self) -> None:
        """Take no new sessions any more, and send those away who wait for something to happen."""
        self.is_draining = True
        self.look_again()

    def get(self, session_id: str) -> Session:
        """Return a session.

        Raises:
            SessionNotFoundError: there is none with this id.
        """
        return self._supervisor(session_id).session

    def iterate(self) -> Iterator[Session]:
        """Go through all sessions, in no particular order."""
        return (supervisor.session for supervisor in self._supervisors.values())

    def list_sessions(self) -> list[Session]:
        """Return all sessions, oldest first."""
        return sorted(self.iterate(), key=lambda session: (session.created_at, session.session_id))

    def live(self) -> dict[SessionId, Identity]:
        """Return the process of every live engine by session."""
        launches = ((each.session_id, each.launch) for each in self.iterate())
        return {session_id: launch.identity for session_id, launch in launches if launch and launch.identity}

    def registry(self) -> dict[str, int]:
        """Return the pid of every live engine by session."""
        return {session_id: identity.pid for session_id, identity in self.live().items()}

    async def create(self, wanted: NewSession) -> tuple[Session, bool]:
        """Return the session and whether it is new; a new one is launched or queued when this returns.

        Raises:
            InvalidInputError: the id is not legal or the engine unknown.
            SessionExistsError: one with this id differs in a field that was given.
            DrainingError: the daemon is starting or stopping.
            StorageFullError: it could not be recorded; nothing was created.
        """
        session_id = wanted.session_id or str(uuid.uuid4())
        if not is_session_id(session_id):
            raise InvalidInputError("session_id", "must match ^[a-z0-9][a-z0-9_-]{0,62}$")
        while (present := self._supervisors.get(SessionId(session_id))) is not None:
            with suppress(SessionNotFoundError):  # it is being deleted: wait until nothing of it is left
                session = await present.hear(())
                wanted.require_same(session)
                return session, False
            await asyncio.sleep(0)
        if self._group is None or self.is_draining:
            raise DrainingError("the daemon is not taking new sessions now")
        engine = wanted.engine or self._default_engine
        if engine not in self._dependencies.engines:
            raise InvalidInputError("engine", f"must be one of {', '.join(sorted(self._dependencies.engines))}")
        key = kept_key(self._dependencies.directory(SessionId(session_id))) or secrets.token_hex(32)
        session = wanted.to_session(SessionId(session_id), engine, key, self._dependencies.clock.now().at)
        return await self._begin(session, wanted.desired, self._group), True

    async def start(self, session_id: str) -> Session:
        """Run the session's engine from now on.

        Raises:
            SessionNotFoundError | IllegalTransitionError | StorageFullError
        """
        supervisor = self._supervisor(session_id)
        await supervisor.ask(StartRequested())
        return await supervisor.until_launched()

    async def stop(self, session_id: str) -> Session:
        """Begin to end the session's engine and keep it down.

        Raises:
            SessionNotFoundError | IllegalTransitionError
        """
        return await self._supervisor(session_id).ask(StopRequested())

    async def stop_all(self, *, until_start: bool) -> list[Session]:
        """Begin to end every engine; with `until_start` they come back when the daemon starts again."""
        request = StopRequested(until_start=until_start)

        async def stop(supervisor: Supervisor) -> None:
            with suppress(SessionNotFoundError, DrainingError):  # deleted meanwhile, or being taken up anew
                await supervisor.ask(request)

        async with asyncio.TaskGroup() as asking:
            for supervisor in self._supervisors.values():
                asking.create_task(stop(supervisor))
        return self.list_sessions()

    async def restart(self, session_id: str) -> Session:
        """Begin to end the session's engine, if there is one, and start it anew.

        Raises:
            SessionNotFoundError | IllegalTransitionError | StorageFullError
        """
        return await self._supervisor(session_id).ask(RestartRequested())

    async def log_out(self, session_id: str) -> Session:
        """Unlink the device, then end the engine and keep it down.

        Raises:
            IllegalTransitionError: no engine runs.
            EngineError: the engine has no such call or refused; nothing changed.
        """
        supervisor = self._supervisor(session_id)
        launch = _running_launch(supervisor.session)
        await self._dependencies.log_out_of(supervisor.session).log_out(supervisor.session, launch)
        return await supervisor.ask(LogoutRequested())

    async def delete(self, session_id: str, *, keep_data: bool, log_out: bool) -> None:
        """Return once the engine is proven dead, its directory gone and the session forgotten.

        With `log_out` the device is unlinked first if that is possible.

        Raises:
            SessionNotFoundError | StorageFullError
        """
        supervisor = self._supervisor(session_id)
        if log_out:
            try:
                launch = _running_launch(supervisor.session)
                await self._dependencies.log_out_of(supervisor.session).log_out(supervisor.session, launch)
            except (EngineError, IllegalTransitionError) as error:
                _log.warning("not_unlinked_before_delete", session_id=session_id, error=str(error))
        await supervisor.ask(DeleteRequested(keep_data=keep_data))
        await supervisor.until(lambda _: False)

    async def change(self, session_id: str, update: Callable[[Spec], Spec]) -> Session:
        """Keep new choices for the session's next launch; changes made at the same time follow each other.

        Raises:
            SessionNotFoundError | StorageFullError
        """
        return await self._supervisor(session_id).change(update)

    async def wait(self, session_id: str, is_met: Callable[[Session], bool], timeout_s: float) -> Session:
        """Return the session as soon as it meets the condition, at the latest after `timeout_s`.

        Raises:
            SessionNotFoundError: there is none, or no longer.
            DrainingError: the daemon is shutting down.
        """
        supervisor = self._supervisor(session_id)
        try:
            async with asyncio.timeout(timeout_s):
                await supervisor.until(lambda session: self.is_draining or is_met(session))
        except TimeoutError:
            return self.get(session_id)
        session = self.get(session_id)
        if self.is_draining and not is_met(session):
            raise DrainingError("the daemon is shutting down; ask again once it is back")
        return session

    def qr_image(self, session_id: str) -> bytes | None:
        """Return the PNG of the code being shown; None when there is none or it has expired.

        Raises:
            SessionNotFoundError: there is no such session.
        """
        return self._supervisor(session_id).qr_image

    def qr_image_of(self, session_id: SessionId, sha256: str) -> bytes | None:
        """Return the PNG with this hash; None when it is not the code being shown, or not any more."""
        supervisor = self._supervisors.get(session_id)
        qr = supervisor.session.qr if supervisor else None
        return supervisor.qr_image if supervisor and qr and qr.sha256 == sha256 else None

    async def request_pairing_code(self, session_id: str, phone_number: str) -> str:
        """Ask the engine for a code to type into the phone with this number (digits only).

        Raises:
            IllegalTransitionError: no engine runs.
            EngineError: the engine has no such call or refused.
        """
        session = self.get(session_id)
        launch = _running_launch(session)
        return await self._dependencies.pairing_of(session).request_pairing_code(session, launch, phone_number)

    def log_path(self, session_id: str) -> Path:
        """Return where the session's engine writes its output."""
        return self._supervisor(session_id).log_path

    def log_paths(self) -> list[Path]:
        """Return where the engines write their output."""
        return [supervisor.log_path for supervisor in self._supervisors.values()]

    async def timeline(self, session_id: str, limit: int) -> list[Step]:
        """Return the session's newest steps, oldest first."""
        read = partial(registry.read_timeline, session_id=self.get(session_id).session_id, limit=limit)
        return await self._dependencies.database.read(read)

    async def receive(self, session_id: str, launch_id: LaunchId, delivery: EngineDelivery) -> None:
        """Return once what the engine posted is recorded; a repeat does nothing.

        Raises:
            SessionNotFoundError: there is no such session.
            StorageFullError: it could not be recorded; the engine should post it again.
        """
        supervisor = self._supervisor(session_id)
        session = supervisor.session
        supervisor.see_life(launch_id)
        if delivery.event == "session.heartbeat":
            self._heartbeats[supervisor.session.session_id] = launch_id
        if session.launch is None or session.launch.launch_id != launch_id:
            return
        engine = self._dependencies.engine_of(session)
        observations = engine.read_event(session, session.launch, delivery.event, delivery.data)
        if observations:
            self.note_traffic(supervisor.session.session_id)
            await supervisor.hear(observations, delivery.idempotency_key)

    def note_traffic(self, session_id: SessionId) -> None:
        """Remember that the session is being used now."""
        self._used_boot_s[session_id] = self._dependencies.clock.now().boot_s

    def is_idle(self, session_id: SessionId) -> bool:
        """Tell whether nobody would notice a restart: connected, and that and the last traffic a minute ago."""
        session, now = self.get(session_id), self._dependencies.clock.now()
        idle_s = min(now.boot_s - self._used_boot_s.get(session_id, 0.0), now.at - (session.connected_at or now.at))
        return session.link is LinkState.CONNECTED and idle_s > IDLE_S

    def show_file(self, session_id: SessionId, image: bytes, produced_at: float) -> None:
        """Take note of a whole image that appeared as `qr.png`; one that nobody awaits is ignored."""
        supervisor = self._supervisors.get(session_id)
        if supervisor is None or supervisor.session.launch is None:
            return
        launch_id = supervisor.session.launch.launch_id
        sha256 = hashlib.sha256(image).hexdigest()
        seen_at = min(produced_at, self._dependencies.clock.now().at)  # files may be dated ahead
        supervisor.tell(QrProduced(launch_id=launch_id, image=image, sha256=sha256, produced_at=seen_at))

    def awaiting_qr(self) -> list[SessionId]:
        """Return the sessions whose engine may show a code now."""
        return [session_id for session_id, supervisor in self._supervisors.items() if supervisor.session.awaits_code]

    def probe_targets(self) -> list[ProbeTarget]:
        """Return the sessions whose engine should answer when it is asked."""
        return [self._probe_target(each) for each in self._supervisors.values() if is_probed(each.session)]

    def look_again(self) -> None:
        """Have every session looked at, since something about the host itself has changed."""
        for supervisor in self._supervisors.values():
            supervisor.tell()

    def _probe_target(self, supervisor: Supervisor) -> ProbeTarget:
        session = supervisor.session
        launch = _running_launch(session)
        return ProbeTarget(
            session=session,
            launch=launch,
            engine=self._dependencies.engine_of(session),
            tell=supervisor.tell,
            log_path=supervisor.log_path,
            has_heartbeat=self._heartbeats.get(session.session_id) == launch.launch_id,
        )

    def _supervisor(self, session_id: str) -> Supervisor:
        supervisor = self._supervisors.get(SessionId(session_id))
        if supervisor is None:
            raise SessionNotFoundError(f"no session {session_id!r}")
        return supervisor

    async def _begin(self, session: Session, desired: Desired, group: asyncio.TaskGroup) -> Session:
        supervisor = Supervisor.of_new_session(session, self._dependencies)
        self._supervisors[session.session_id] = supervisor
        running = group.create_task(self._keep(supervisor))
        try:
            if desired is Desired.STOPPED:
                return await supervisor.hear(())
            await supervisor.ask(StartRequested())
        except OpenwaManagerError:  # not when a caller hangs up: the session may be on disk by then
            if not supervisor.is_recorded:
                running.cancel()
                self._supervisors.pop(session.session_id, None)
            raise
        return await supervisor.until_launched()

    async def _resume(self, supervisor: Supervisor) -> None:
        resumed = await patiently(partial(examine, supervisor.session, self._dependencies), self._dependencies.clock)
        with suppress(OpenwaManagerError):  # a supervisor that fails meanwhile is taken up again by its bulkhead
            await supervisor.hear((resumed,))
        self.adoption.count()

    async def _keep(self, supervisor: Supervisor) -> None:
        await keep_running(supervisor, self._dependencies)
        for known in (self._supervisors, self._heartbeats, self._used_boot_s):
            known.pop(supervisor.session.session_id, None)


def _running_launch(session: Session) -> Launch:
    if session.launch is None or session.process is not ProcessState.RUNNING:
        raise IllegalTransitionError(f"{session.session_id}: not possible while the session is {session.status}")
    return session.launch
