"""What a transition is given, and what it returns."""

from collections.abc import Mapping
from dataclasses import field, replace

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.commands import Command
from openwa_manager.domain.session.deadlines import Moment
from openwa_manager.domain.session.reasons import Facts, Reason, ReasonCode
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import Session
from openwa_manager.domain.values import dataclass

Evidence = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A session at the moment something happens to it, and the policy that applies."""

    session: Session
    moment: Moment
    policy: Policy

    def of(self, session: Session) -> "Context":
        """Return the same moment with the session changed."""
        return replace(self, session=session)

    def reason(self, code: ReasonCode, facts: Facts | None = None) -> Reason:
        """Return a reason that became true at this moment."""
        return Reason(code=code, facts=facts, at=self.moment.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """An event still without its common fields; `expires_at` None means that it does not expire."""

    type: str
    data: Mapping[str, Json] = field(default_factory=dict)
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What follows: the session as it is then, the commands, the events and the line of the timeline.

    `decision` is that line, for people; an empty one adds no step. `evidence` are the facts beside it. `is_gone`: the
    session does not exist any more.
    """

    session: Session
    decision: str = ""
    commands: tuple[Command, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    evidence: Evidence = field(default_factory=dict)
    is_gone: bool = False

    def then(self, *commands: Command) -> "Outcome":
        """Return this outcome with further commands."""
        return replace(self, commands=(*self.commands, *commands))

    def with_evidence(self, **evidence: str | float | bool | None) -> "Outcome":
        """Return this outcome with further evidence."""
        return replace(self, evidence={**self.evidence, **evidence})

    def with_event(self, announcement: Announcement) -> "Outcome":
        """Return this outcome with one more announcement."""
        return replace(self, announcements=(*self.announcements, announcement))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The state does not allow the request and nothing happened; `detail` tells the caller why."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """The observation is stale or says nothing new; `why` is for the debug log."""

    why: str


Answer = Outcome | Refused | Dropped
