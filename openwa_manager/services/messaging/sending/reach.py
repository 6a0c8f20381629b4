"""Finds the engine through which a session's messages leave: one that runs, is linked and can send."""

from collections.abc import Callable, Mapping
from pathlib import Path

from openwa_manager.domain.messaging.retries import EngineMemory
from openwa_manager.domain.ports import CanSend
from openwa_manager.domain.session.session import Launch, LinkState, ProcessState, Session, SessionId
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """An engine that can be asked now, with its session and its launch."""

    session: Session
    launch: Launch
    engine: CanSend
    directory: Path

    async def memory(self) -> EngineMemory:
        """Return where this engine keeps the keys of messages."""
        return await self.engine.memory(self.session, self.launch, self.directory)


class EngineReach:
    """Looks at sessions as they are now; `find` returns one (None: there is none), `directory_of` where it lives."""

    def __init__(
        self,
        find: Callable[[SessionId], Session | None],
        engines: Mapping[str, object],
        directory_of: Callable[[SessionId], Path],
    ) -> None:
        self.find = find
        self._senders = {name: engine for name, engine in engines.items() if isinstance(engine, CanSend)}
        self._directory_of = directory_of

    def can_send(self, session: Session) -> bool:
        """Tell whether the engine of this session is of a kind that sends messages."""
        return session.spec.engine in self._senders

    def reach(self, session_id: SessionId) -> Reached | None:
        """Return the session's engine if it is linked now; None when nothing can be sent through it."""
        session = self.find(session_id)
        if session is None or session.link is not LinkState.CONNECTED or session.process is not ProcessState.RUNNING:
            return None
        launch, engine = session.launch, self._senders.get(session.spec.engine)
        if launch is None or engine is None:
            return None
        directory = self._directory_of(session_id)
        return Reached(session=session, launch=launch, engine=engine, directory=directory)
