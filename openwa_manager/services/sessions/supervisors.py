"""The supervisors of all sessions by session id: made first, handed to whoever reads, asks or runs them."""

from collections.abc import Iterator

from openwa_manager.domain.errors import SessionNotFoundError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.sessions.supervisor import Supervisor


class Supervisors:
    """A table; only the runner adds and removes."""

    def __init__(self) -> None:
        self._by_id: dict[SessionId, Supervisor] = {}

    def __iter__(self) -> Iterator[Supervisor]:
        return iter(self._by_id.values())

    def get(self, session_id: str) -> Supervisor:
        """Return the supervisor of a session.

        Raises:
            SessionNotFoundError: there is no session with this id.
        """
        supervisor = self.find(session_id)
        if supervisor is None:
            raise SessionNotFoundError(f"no session {session_id!r}")
        return supervisor

    def find(self, session_id: str) -> Supervisor | None:
        """Return the supervisor of a session; None when there is no session with this id."""
        return self._by_id.get(SessionId(session_id))

    def add(self, supervisor: Supervisor) -> None:
        """Know one more session."""
        self._by_id[supervisor.session.session_id] = supervisor

    def remove(self, supervisor: Supervisor) -> None:
        """Forget a session; without effect when its id belongs to another supervisor."""
        if self.find(supervisor.session.session_id) is supervisor:
            del self._by_id[supervisor.session.session_id]
