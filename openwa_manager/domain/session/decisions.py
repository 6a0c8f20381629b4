"""Decisions taken together: what several stimuli make of a session before anything of it is recorded or done."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.session.commands import Command
from openwa_manager.domain.session.context import Context, Dropped, Refused
from openwa_manager.domain.session.deadlines import Armed, Deadlines, Moment, first_expired, rearm, rearm_missed
from openwa_manager.domain.session.lifecycle import Decided, decide
from openwa_manager.domain.session.link import activity_seen, tells_nothing_new
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import LinkState, ProcessState, Session, Step
from openwa_manager.domain.session.stimuli import (
    ActivitySeen,
    Deadline,
    DeadlinePassed,
    LinkReported,
    Observation,
    Stimulus,
)


def session_after_life(
    session: Session, deadlines: Deadlines, observations: Sequence[Observation], moment: Moment, policy: Policy
) -> Session | None:
    """Return what these make of a session, where they tell no more than that its engine lives and is connected as ever.

    That is what deciding on each of them comes to, for a tenth of the time. None: they tell more, or nothing, or there
    is a deadline that may have to be decided on.
    """
    is_settled = session.process is ProcessState.RUNNING and session.link is LinkState.CONNECTED
    if not is_settled or deadlines or rearm(deadlines, session, moment, policy):
        return None
    if not all(_tells_only_life(each, session) for each in observations):
        return None
    life = next((each for each in observations if isinstance(each, ActivitySeen)), None)
    context = Context(session=session, moment=moment, policy=policy)
    return None if life is None else activity_seen(life, context).session


def _tells_only_life(observation: Observation, session: Session) -> bool:
    if not isinstance(observation, ActivitySeen | LinkReported) or session.launch is None:
        return False
    is_current = observation.launch_id == session.launch.launch_id
    return is_current and (isinstance(observation, ActivitySeen) or tells_nothing_new(observation, session))


class Moved(NamedTuple):
    """A session before and after one decision."""

    before: Session
    after: Session

    @property
    def expects_code(self) -> bool:
        """Tell whether the session's engine may show a code from now on, or more has become known of that engine."""
        before, after = self.before, self.after
        return after.awaits_code and not (before.awaits_code and before.launch == after.launch)


@dataclass(slots=True, kw_only=True)
class Decisions:
    """A session on its way from its last recorded state to the next, with all that is to be recorded and done.

    `moves` are its states in between. `dropped` are the observations that changed nothing, each with why: for the
    debug log.
    """

    session: Session
    deadlines: Deadlines
    policy: Policy
    steps: list[Step] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    moves: list[Moved] = field(default_factory=list)
    dropped: list[tuple[Stimulus, Dropped]] = field(default_factory=list)
    is_durable: bool = False
    is_gone: bool = False

    def consider(self, stimulus: Stimulus, moment: Moment) -> Refused | None:
        """Decide on a stimulus and on the deadlines that have expired by then; return why it was refused, if it was."""
        refused = self._decide(stimulus, moment)
        self.expire_deadlines(moment)
        return refused

    def expire_deadlines(self, moment: Moment) -> None:
        """Decide on every deadline that has expired, and start or stop those that the moment itself decides on."""
        running = rearm_missed(self.deadlines, self.session, moment, self.policy)
        self.deadlines = rearm(running, self.session, moment, self.policy)
        expired: dict[Deadline, Armed] = {}
        while (deadline := first_expired(self.deadlines, moment.boot_s)) is not None:
            expired[deadline] = self.deadlines[deadline]
            self._decide(DeadlinePassed(deadline=deadline), moment)
            # One that is as it was, because nothing came of it, must not expire for ever.
            self.deadlines = {kind: armed for kind, armed in self.deadlines.items() if armed is not expired.get(kind)}

    def _decide(self, stimulus: Stimulus, moment: Moment) -> Refused | None:
        answer = decide(self.session, stimulus, moment, self.policy)
        if isinstance(answer, Refused):
            return answer
        if isinstance(answer, Dropped):
            self.dropped.append((stimulus, answer))
        else:
            self._take_over(answer, moment)
        return None

    def _take_over(self, decided: Decided, moment: Moment) -> None:
        self.moves.append(Moved(self.session, decided.session))
        self.session = decided.session
        self.deadlines = rearm(self.deadlines, decided.session, moment, self.policy)
        self.steps += decided.steps
        self.events += decided.events
        self.commands += decided.commands
        self.is_durable = self.is_durable or decided.is_durable
        self.is_gone = self.is_gone or decided.is_gone
