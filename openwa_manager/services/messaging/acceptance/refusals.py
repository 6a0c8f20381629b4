"""Remembers which messages were refused: they leave nothing on disk, and callers do not always look at the answer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from openwa_manager.domain.diagnosis.session_rules import REFUSALS, Refusal
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId

#: A refusal is told of for so long after the last one like it.
_KEPT_S: Final = 3600.0
#: So many sessions are remembered; who was refused longest ago is forgotten first.
_SESSIONS_MAX: Final = 10_000


class Refusals:
    """Counts refused messages by session and code, in memory only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[SessionId, dict[str, tuple[Refusal, float]]] = {}

    def note(self, session_id: SessionId, code: str, count: int = 1) -> None:
        """Take note of a refusal with this code; those that people need no help with are passed over."""
        if code not in REFUSALS:
            return
        now = self._clock.now()
        by_code = self._counts.pop(session_id, {})
        self._counts[session_id] = by_code
        before, last_s = by_code.get(code, (None, 0.0))
        if before is None or now.boot_s - last_s > _KEPT_S:
            before = Refusal(code=code, count=0, since=now.at)
        by_code[code] = replace(before, count=before.count + count), now.boot_s
        if len(self._counts) > _SESSIONS_MAX:
            del self._counts[next(iter(self._counts))]

    def of(self, session_id: SessionId) -> Sequence[Refusal]:
        """Return what was refused of late."""
        since_s = self._clock.now().boot_s - _KEPT_S
        return [each for each, last_s in self._counts.get(session_id, {}).values() if last_s >= since_s]
