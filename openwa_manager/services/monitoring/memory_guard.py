"""Restarts engines that use too much memory: above the soft limit while they are idle, above the hard one at once."""

from collections.abc import Callable, Mapping

import structlog

from openwa_manager.domain.session.reasons import MemoryExcess, ReasonCode
from openwa_manager.domain.session.session import Session, SessionId, Usage
from openwa_manager.domain.session.stimuli import EngineFaulted
from openwa_manager.domain.values import dataclass
from openwa_manager.services.sessions.engine_inbox import RunningEngine

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimits:
    """In bytes of RSS over an engine's whole tree; None is no limit. A session's own limit stands for the hard one."""

    soft_bytes: int | None = None
    hard_bytes: int | None = None


class MemoryGuard:
    """Compares every measurement with the limits; `is_idle` tells whether a restart would go unnoticed."""

    def __init__(
        self,
        limits: MemoryLimits,
        running_engine: Callable[[SessionId], RunningEngine | None],
        is_idle: Callable[[SessionId], bool],
    ) -> None:
        self._limits = limits
        self._running_engine = running_engine
        self._is_idle = is_idle

    def check(self, usage: Mapping[SessionId, Usage]) -> None:
        """Have the engines that use too much ended; each comes back at once, and no budget is spent."""
        for session_id, used in usage.items():
            running = self._running_engine(session_id)
            excess = self._excess(running.session, used.rss_bytes) if running else None
            if running is not None and excess is not None:
                _log.warning("memory_limit_exceeded", session_id=session_id, detail=excess.sentence)
                running.tell(
                    EngineFaulted(launch_id=running.launch.launch_id, code=ReasonCode.MEMORY_LIMIT, facts=excess)
                )

    def _excess(self, session: Session, rss_bytes: int) -> MemoryExcess | None:
        hard_bytes = session.spec.memory_limit_bytes or self._limits.hard_bytes
        if hard_bytes is not None and rss_bytes > hard_bytes:
            return MemoryExcess(rss_bytes=rss_bytes, limit_bytes=hard_bytes, is_soft=False)
        soft_bytes = self._limits.soft_bytes
        if soft_bytes is not None and rss_bytes > soft_bytes and self._is_idle(session.session_id):
            return MemoryExcess(rss_bytes=rss_bytes, limit_bytes=soft_bytes, is_soft=True)
        return None
