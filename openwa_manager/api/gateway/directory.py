"""Which session a path below `/api/sessions` names: by our id, or by its engine's own."""

from contextlib import suppress

from openwa_manager.api.gateway.errors import not_found
from openwa_manager.domain.errors import SessionNotFoundError
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.services.sessions.directory import SessionDirectory


class Directory:
    """Finds sessions under both of their names."""

    def __init__(self, sessions: SessionDirectory) -> None:
        self._sessions = sessions
        self._known: dict[str, SessionId] = {}

    def find(self, name: str) -> Session:
        """Return the session of this name; our ids go first.

        Raises:
            GatewayError: there is none.
        """
        try:
            return self._sessions.get(name)
        except SessionNotFoundError:
            session = self._remembered(name) or self._sought(name)
        if session is None:
            raise not_found(name)
        self._known[name] = session.session_id
        return session

    def _remembered(self, name: str) -> Session | None:
        """Return the session that had this inner id when it was last asked for; None when it has it no longer."""
        with suppress(KeyError, SessionNotFoundError):
            session = self._sessions.get(self._known.pop(name))
            return session if session.inner_id == name else None
        return None

    def _sought(self, name: str) -> Session | None:
        return next((each for each in self._sessions.list_sessions() if each.inner_id == name), None)
