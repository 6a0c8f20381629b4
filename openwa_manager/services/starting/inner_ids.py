"""Which session an engine's own id stands for: callers may use it, so no second engine may claim it."""

from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.session.session import SessionId


class InnerIds:
    """The ids that engines have given their sessions, each of them one session's until that is deleted."""

    def __init__(self) -> None:
        self._owners: dict[str, SessionId] = {}
        self._of_session: dict[SessionId, str] = {}

    def claim(self, session_id: SessionId, inner_id: str) -> None:
        """Give the id to this session, in place of the one it had.

        Raises:
            EngineError: it is another session's.
        """
        if not self.note(session_id, inner_id):
            raise EngineError(f"the engine calls its session {inner_id}, which is another session's id")

    def note(self, session_id: SessionId, inner_id: str) -> bool:
        """Note the id a session has; tell whether it is that session's alone."""
        if self._owners.setdefault(inner_id, session_id) != session_id:
            return False
        former = self._of_session.get(session_id)
        if former is not None and former != inner_id:
            del self._owners[former]
        self._of_session[session_id] = inner_id
        return True

    def release(self, session_id: SessionId) -> None:
        """Forget the session's id; without effect when it has none."""
        inner_id = self._of_session.pop(session_id, None)
        if inner_id is not None:
            del self._owners[inner_id]
