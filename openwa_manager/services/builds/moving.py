"""What a roll-out works with: the sessions, where it is recorded, and how long it waits."""

from contextlib import suppress

from openwa_manager.domain.errors import InvalidInputError, SessionNotFoundError
from openwa_manager.domain.session.session import Session
from openwa_manager.domain.values import dataclass
from openwa_manager.services.access.audit import Audit
from openwa_manager.services.build_choices import BuildChoices
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.sessions.requests import SessionRequests
from openwa_manager.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPatience:
    """How long a restarted session has to come back, and how long a canary, or another one, must stay well then."""

    back_within_s: float
    canary_steady_s: float = 5.0
    steady_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRecords:
    """Where roll-outs are recorded; `background` records what callers ask for although they hang up."""

    database: Database
    audit: Audit
    background: BackgroundTasks


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSessions:
    """The sessions as a roll-out meets them: read, restarted, told what they run."""

    directory: SessionDirectory
    requests: SessionRequests
    choices: BuildChoices

    def unpinned(self) -> list[Session]:
        """Return the sessions that run whichever build is the default, in no particular order."""
        choices = self.choices
        return [each for each in self.directory.iterate() if each.spec.build is None and choices.of(each) is not None]

    def require_openwa(self, session_id: str) -> Session:
        """Return a session that can run a build.

        Raises:
            SessionNotFoundError: there is none with this id.
            InvalidInputError: its engine is no OpenWA.
        """
        session = self.directory.get(session_id)
        if self.choices.of(session) is None:
            raise InvalidInputError("sessions", f"{session_id} runs another engine, which has no builds")
        return session

    def find(self, session_id: str) -> Session | None:
        """Return a session; None when there is none, or no longer."""
        with suppress(SessionNotFoundError):
            return self.directory.get(session_id)
        return None
