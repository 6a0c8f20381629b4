"""Takes in what engines say: the events they post, the codes they write, their heartbeats and their traffic."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Protocol

from openwa_manager.domain.delivery.events import HEARTBEAT, Json
from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.ports import Engine, Tell
from openwa_manager.domain.session.session import Launch, LaunchId, LinkState, ProcessState, Session, SessionId
from openwa_manager.domain.session.stimuli import ActivitySeen, QrProduced
from openwa_manager.domain.values import dataclass
from openwa_manager.services.changes import MessageLeft
from openwa_manager.services.sessions.supervisor import Supervisor
from openwa_manager.services.sessions.supervisors import Supervisors
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.watcher.qr import QrImage

#: So long without a message a session counts as idle.
_IDLE_S = 60.0
_LIFE_NOTED_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDelivery:
    """An event an engine posted; `idempotency_key` None means that it cannot be recognised when it is repeated."""

    event: str
    data: Mapping[str, Json]
    idempotency_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningEngine:
    """An engine that runs, its session, and how to tell what it was seen doing.

    `has_heartbeat` tells that this launch posts heartbeats, `posted_boot_s` when it posted last (boot clock; None: not
    since this daemon began).
    """

    session: Session
    launch: Launch
    engine: Engine
    tell: Tell
    log_path: ForeignPath
    has_heartbeat: bool
    posted_boot_s: float | None = None


class RunningEngines(Protocol):
    """Knows which engines should answer when they are asked."""

    def running_launches(self) -> Mapping[SessionId, LaunchId]:
        """Return the launch of each, by session."""
        ...

    def running_engine(self, session_id: SessionId) -> RunningEngine | None:
        """Return that of a session; None when it has none."""
        ...


class EngineInbox:
    """Puts what engines say before their supervisors, and remembers which of them give signs of life and of use."""

    def __init__(self, supervisors: Supervisors, dependencies: Dependencies) -> None:
        self._supervisors = supervisors
        self._dependencies = dependencies
        self._heartbeats: dict[SessionId, LaunchId] = {}
        self._used_boot_s: dict[SessionId, float] = {}
        self._posted_boot_s: dict[SessionId, tuple[LaunchId, float]] = {}
        self._connected_since: dict[SessionId, tuple[float | None, float]] = {}

    async def receive(self, session_id: str, launch_id: LaunchId, delivery: EngineDelivery) -> None:
        """Return once what the engine posted is recorded; a repeat does nothing.

        Raises:
            SessionNotFoundError: there is no such session.
            StorageFullError: it could not be recorded; the engine should post it again.
        """
        supervisor = self._supervisors.get(session_id)
        session = supervisor.session
        self._note_life(supervisor, launch_id)
        if delivery.event == HEARTBEAT:
            self._heartbeats[session.session_id] = launch_id
        if session.launch is None or session.launch.launch_id != launch_id:
            return
        if delivery.event == "message.sent":
            left = MessageLeft(session_id=session.session_id, data=delivery.data)
            self._dependencies.changes.message_left.publish(left)
        engine = self._dependencies.engine_of(session)
        observations = engine.read_event(session, session.launch, delivery.event, delivery.data)
        if observations:
            self.note_traffic(session.session_id)
            await supervisor.hear(observations, delivery.idempotency_key)

    def _note_life(self, supervisor: Supervisor, launch_id: LaunchId) -> None:
        """Take note of a sign of life: they come by the hundred, one a second is enough."""
        session_id, now_s = supervisor.session.session_id, self._dependencies.clock.now().boot_s
        noted = self._posted_boot_s.get(session_id)
        if noted is None or noted[0] != launch_id or now_s - noted[1] >= _LIFE_NOTED_S:
            self._posted_boot_s[session_id] = launch_id, now_s
            supervisor.tell(ActivitySeen(launch_id=launch_id))

    def _last_post_boot_s(self, session_id: SessionId, launch: Launch) -> float | None:
        launch_id, posted_boot_s = self._posted_boot_s.get(session_id, (None, None))
        return posted_boot_s if launch_id == launch.launch_id else None

    def receive_qr_file(self, found: QrImage) -> None:
        """Take note of a whole image that appeared as `qr.png`; one that nobody awaits is ignored."""
        supervisor = self._supervisors.find(found.session_id)
        if supervisor is not None:
            sha256 = hashlib.sha256(found.image).hexdigest()
            supervisor.tell(
                QrProduced(launch_id=found.launch_id, image=found.image, sha256=sha256, produced_at=found.produced_at)
            )

    def note_traffic(self, session_id: SessionId) -> None:
        """Remember that the session is being used now."""
        self._used_boot_s[session_id] = self._dependencies.clock.now().boot_s

    def is_idle(self, session_id: SessionId) -> bool:
        """Tell whether nobody would notice a restart: connected for a minute of this being asked, and not used in it.

        Raises:
            SessionNotFoundError: there is no such session.
        """
        session, now_s = self._supervisors.get(session_id).session, self._dependencies.clock.now().boot_s
        connected_at, since_s = self._connected_since.get(session_id, (None, 0.0))
        if session.connected_at != connected_at:  # noticed now: its wall time cannot be compared once the clock is set
            self._connected_since[session_id] = session.connected_at, now_s
            return False
        idle_s = now_s - max(since_s, self._used_boot_s.get(session_id, 0.0))
        return session.link is LinkState.CONNECTED and idle_s > _IDLE_S

    def has_heartbeat(self, session: Session) -> bool:
        """Tell whether the session's present launch posts heartbeats."""
        return session.launch is not None and self._heartbeats.get(session.session_id) == session.launch.launch_id

    def running_launches(self) -> dict[SessionId, LaunchId]:
        """Return the launches whose engines should answer when they are asked, by session: up, and once ready."""
        launches = ((each.session_id, _running_launch(each)) for each in self._sessions())
        return {session_id: launch.launch_id for session_id, launch in launches if launch is not None}

    def running_engine(self, session_id: SessionId) -> RunningEngine | None:
        """Return a session's engine if it should answer when it is asked; else None."""
        supervisor = self._supervisors.find(session_id)
        launch = None if supervisor is None else _running_launch(supervisor.session)
        if supervisor is None or launch is None:
            return None
        return RunningEngine(
            session=supervisor.session,
            launch=launch,
            engine=self._dependencies.engine_of(supervisor.session),
            tell=supervisor.tell,
            log_path=supervisor.log_path,
            has_heartbeat=self.has_heartbeat(supervisor.session),
            posted_boot_s=self._last_post_boot_s(session_id, launch),
        )

    def _sessions(self) -> Iterator[Session]:
        return (supervisor.session for supervisor in self._supervisors)

    def forget(self, session_id: SessionId) -> None:
        """Forget what a session that is gone has said."""
        self._heartbeats.pop(session_id, None)
        self._used_boot_s.pop(session_id, None)
        self._posted_boot_s.pop(session_id, None)
        self._connected_since.pop(session_id, None)


def _running_launch(session: Session) -> Launch | None:
    launch = session.launch
    return launch if launch and launch.identity and session.process is ProcessState.RUNNING else None
