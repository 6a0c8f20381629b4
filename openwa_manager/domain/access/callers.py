"""Who asks."""

from dataclasses import dataclass

from openwa_manager.domain.access.roles import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: a name to be written into the log, and the role that says what he may do."""

    name: str
    role: Role
