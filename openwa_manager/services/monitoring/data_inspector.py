"""Looks whether running engines still work on the files they were started with: one that lost them fails every send."""

from collections.abc import Callable
from pathlib import Path

import structlog

from openwa_manager.domain.errors import FilesStuckError
from openwa_manager.domain.ports import Clock, KeepsData
from openwa_manager.domain.session.reasons import DataLoss
from openwa_manager.domain.session.session import DataState, Launch, LaunchId, Session, SessionId
from openwa_manager.domain.session.stimuli import DataInspected
from openwa_manager.services.sessions.engine_inbox import RunningEngine, RunningEngines

_log = structlog.get_logger()

#: So long after a look at which a database seemed to be lost the next one is taken.
_AGAIN_S = 1.0
#: So long after its last send a session's next one is preceded by a look.
_SILENCE_S = 60.0


class DataInspector:
    """Looks at each engine's files every `period_s` and before the first send after a silence.

    The engine's own answers do not tell: one whose directory was removed goes on reading the files that it holds open,
    and says that all is well (docs/openwa.md, Failures). `directory` is that of a session.
    """

    def __init__(
        self,
        clock: Clock,
        period_s: float,
        engines: RunningEngines,
        directory: Callable[[SessionId], Path],
    ) -> None:
        self._clock = clock
        self._period_s = period_s
        self._engines = engines
        self._directory = directory
        self._inspected: dict[SessionId, tuple[LaunchId, float]] = {}
        self._sent_boot_s: dict[SessionId, float] = {}

    async def after_probe(self, running: RunningEngine, *, was_answered: bool) -> None:
        """Look if it is time, and at once if the engine did not answer as it should."""
        launch_id, inspected_s = self._inspected.get(running.session.session_id, (None, 0.0))
        is_due = launch_id != running.launch.launch_id or self._clock.now().boot_s - inspected_s >= self._period_s
        if is_due or not was_answered:
            await self._inspect(running)

    async def before_send(self, session_id: SessionId) -> bool:
        """Tell whether the session's engine can send; looked at only if the session has not sent for a while."""
        now_s = self._clock.now().boot_s
        is_silent = session_id not in self._sent_boot_s or now_s - self._sent_boot_s[session_id] >= _SILENCE_S
        self._sent_boot_s[session_id] = now_s
        if not is_silent:
            return True
        self._forget_silent(now_s)
        running = self._engines.running_engine(session_id)
        return running is None or await self._inspect(running)

    def _forget_silent(self, now_s: float) -> None:
        """Forget what no longer matters, so that memory does not grow with sessions that are gone."""
        self._sent_boot_s = {name: sent_s for name, sent_s in self._sent_boot_s.items() if now_s - sent_s < _SILENCE_S}
        alive = self._engines.running_launches()
        self._inspected = {name: seen for name, seen in self._inspected.items() if name in alive}

    async def _inspect(self, running: RunningEngine) -> bool:
        """Tell the supervisor what there is; return whether that is all there was before."""
        session, launch = running.session, running.launch
        self._inspected[session.session_id] = launch.launch_id, self._clock.now().boot_s
        if not isinstance(running.engine, KeepsData):
            return True
        try:
            data = await self._look(running.engine, session, launch)
        except (FilesStuckError, OSError) as error:  # of what cannot be seen nothing is known to be lost
            _log.warning("engine_data_not_inspected", session_id=session.session_id, error=str(error))
            return True
        if data == launch.data:
            return True
        running.tell(DataInspected(launch_id=launch.launch_id, data=data))
        return launch.data is None or data.loss_since(launch.data) is None

    async def _look(self, engine: KeepsData, session: Session, launch: Launch) -> DataState:
        """Return what there is; a database that seems to be lost is looked at twice, for it may be growing just now."""
        directory = self._directory(session.session_id)
        data = await engine.inspect_data(session, directory)
        if launch.data is None or data.loss_since(launch.data) is not DataLoss.DATABASE_LOST:
            return data
        await self._clock.sleep_until(self._clock.now().boot_s + _AGAIN_S)
        return await engine.inspect_data(session, directory)
