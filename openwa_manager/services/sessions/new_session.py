"""A session as a caller asks for it, before it exists."""

from collections.abc import Mapping
from dataclasses import field

from openwa_manager.domain.errors import SessionExistsError
from openwa_manager.domain.session.session import Desired, Session, SessionId, Spec, user_of
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """What a caller asks for; `given` names the fields of the spec in the request, the others are not compared."""

    session_id: str
    user_id: str | None = None
    engine: str | None = None
    desired: Desired = Desired.RUNNING
    labels: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy_url: str | None = field(default=None, repr=False)
    memory_limit_bytes: int | None = None
    given: frozenset[str] = frozenset()

    def to_session(self, session_id: SessionId, engine: str, engine_key: str, at: float) -> Session:
        """Return the session this becomes, made at wall time `at`. It is not recorded yet."""
        spec = Spec(
            user_id=self.user_id if self.user_id is not None else user_of(session_id),
            engine=engine,
            labels=self.labels,
            env=self.env,
            proxy_url=self.proxy_url,
            memory_limit_bytes=self.memory_limit_bytes,
        )
        return Session(session_id=session_id, spec=spec, engine_key=engine_key, created_at=at, updated_at=at)

    def require_same(self, present: Session) -> None:
        """Accept a session that exists already.

        Raises:
            SessionExistsError: it differs in a field the caller gave.
        """
        different = sorted(name for name in self.given if getattr(present.spec, name) != getattr(self, name))
        if different:
            raise SessionExistsError(f"session {present.session_id} exists with another {', '.join(different)}")
