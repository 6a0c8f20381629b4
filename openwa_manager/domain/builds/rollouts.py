"""How sessions are moved to another build: a roll-out is a state machine over its sessions' moves.

First `canary_count` sessions are moved, then all others, each alone: one that is moved must be well before the next one
is touched. The first that is not well halts the roll-out: every session that was touched goes back to what it ran
before, the one in trouble first. Sessions that no roll-out has touched never notice. Whoever drives it asks `next_move`
which session is to be moved now, and tells with `begun` and `settled` what became of it; each answer is a new value
that is recorded before anybody acts on it, so that a roll-out goes on wherever a daemon left it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import Enum, StrEnum, auto
from typing import Final, NewType

from openwa_manager.domain.builds.builds import HOME_BUILD, BuildName
from openwa_manager.domain.session.link import is_paired
from openwa_manager.domain.session.session import Desired, ProcessState, Session, SessionId, Status
from openwa_manager.domain.values import dataclass

RolloutId = NewType("RolloutId", str)


class RolloutState(StrEnum):
    """How far a roll-out is; the last two are its ends."""

    CANARY = "canary"
    OTHERS = "others"
    HALTED = "halted"
    DONE = "done"
    ROLLED_BACK = "rolled_back"


class MoveState(StrEnum):
    """How far one session of a roll-out is; one that is returned runs what it would run without the roll-out."""

    WAITING = "waiting"
    MOVING = "moving"
    MOVED = "moved"
    RETURNING = "returning"
    RETURNED = "returned"


class _Signal(Enum):
    """What drives a roll-out."""

    ALL_WELL = auto()  # no session of this state is left to move
    LOST = auto()  # one did not come back well
    CANCELLED = auto()  # a person wants it undone


#: (state, signal) -> next state. What is absent changes nothing, or is refused when a person asks for it.
_NEXT: Final[Mapping[tuple[RolloutState, _Signal], RolloutState]] = {
    (RolloutState.CANARY, _Signal.ALL_WELL): RolloutState.OTHERS,
    (RolloutState.CANARY, _Signal.LOST): RolloutState.HALTED,
    (RolloutState.CANARY, _Signal.CANCELLED): RolloutState.HALTED,
    (RolloutState.OTHERS, _Signal.ALL_WELL): RolloutState.DONE,
    (RolloutState.OTHERS, _Signal.LOST): RolloutState.HALTED,
    (RolloutState.OTHERS, _Signal.CANCELLED): RolloutState.HALTED,
    (RolloutState.HALTED, _Signal.ALL_WELL): RolloutState.ROLLED_BACK,
}
_ENDED: Final = frozenset({RolloutState.DONE, RolloutState.ROLLED_BACK})
#: Sessions in these run the new build, or shall.
_ON_NEW: Final = frozenset({MoveState.MOVING, MoveState.MOVED})


class Expected(StrEnum):
    """What a session must come to once it was restarted: what it was before."""

    CONNECTED = "connected"
    LINKING = "linking"  # it showed a code, or was about to
    UP = "up"  # its link was down
    NOTHING = "nothing"  # no engine of it ran well: it is not restarted


class Verdict(Enum):
    """What is to be said of a session that was restarted."""

    PENDING = auto()
    WELL = auto()
    LOST = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutMove:
    """One session of a roll-out; `expected` None until it is its turn, `detail` says what went wrong with it."""

    session_id: SessionId
    state: MoveState = MoveState.WAITING
    expected: Expected | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Sessions on their way to `build`.

    With `is_default` it is of all sessions that pin no build, and `build` becomes the default at its end, in place of
    `former`; else its sessions pin it then. `detail` says why it was halted. The times are wall time.
    """

    rollout_id: RolloutId
    build: BuildName
    former: BuildName
    is_default: bool
    canary_count: int
    created_at: float
    state: RolloutState = RolloutState.CANARY
    moves: tuple[RolloutMove, ...] = ()
    detail: str | None = None
    ended_at: float | None = None

    @property
    def is_over(self) -> bool:
        """Tell whether nothing is left to do."""
        return self.state in _ENDED

    @property
    def moved(self) -> frozenset[SessionId]:
        """Return the sessions whose next launch runs the new build; those that have an engine may run it already."""
        return frozenset(each.session_id for each in self.moves if each.state in _ON_NEW)


def next_move(rollout: Rollout) -> RolloutMove | None:
    """Return the session that is to be moved, or moved back, now; None when there is none in this state."""
    match rollout.state:
        case RolloutState.CANARY:
            return _first(rollout.moves[: rollout.canary_count], (MoveState.MOVING, MoveState.WAITING))
        case RolloutState.OTHERS:
            return _first(rollout.moves, (MoveState.MOVING, MoveState.WAITING))
        case RolloutState.HALTED:
            newest_first = rollout.moves[::-1]
            in_trouble_first = sorted(newest_first, key=lambda move: move.detail is None)
            return _first(in_trouble_first, (MoveState.RETURNING, MoveState.MOVING, MoveState.MOVED))
        case _:
            return None


def _first(moves: Iterable[RolloutMove], states: Iterable[MoveState]) -> RolloutMove | None:
    listed = tuple(moves)
    return next((move for state in states for move in listed if move.state is state), None)


def begun(rollout: Rollout, session_id: SessionId, expected: Expected) -> Rollout:
    """Return the roll-out in which this session is on its way, and must come to what is expected."""
    state = MoveState.RETURNING if rollout.state is RolloutState.HALTED else MoveState.MOVING
    return _with(rollout, session_id, lambda move: replace(move, state=state, expected=expected))


def settled(rollout: Rollout, session_id: SessionId, *, is_well: bool, detail: str | None = None) -> Rollout:
    """Return the roll-out once it is known what became of this session.

    Of one that does not come back from its way back, `detail` is kept; the roll-out goes on with the others.
    """
    if rollout.state is RolloutState.HALTED:
        return _with(
            rollout,
            session_id,
            lambda move: replace(move, state=MoveState.RETURNED, detail=move.detail if is_well else detail),
        )
    if is_well:
        return _with(rollout, session_id, lambda move: replace(move, state=MoveState.MOVED))
    lost = _with(rollout, session_id, lambda move: replace(move, detail=detail))
    return _signalled(replace(lost, detail=f"{session_id}: {detail}"), _Signal.LOST)


def left_out(rollout: Rollout, session_id: SessionId, detail: str) -> Rollout:
    """Return the roll-out in which this session stays on what it runs; `detail` says why."""
    return _with(rollout, session_id, lambda move: replace(move, state=MoveState.RETURNED, detail=detail))


def all_well(rollout: Rollout, at: float) -> Rollout:
    """Return the roll-out once no session is left to move in its state; `at` is now (wall time)."""
    following = _signalled(rollout, _Signal.ALL_WELL)
    return replace(following, ended_at=at) if following.is_over else following


def cancelled(rollout: Rollout, why: str) -> Rollout | None:
    """Return the roll-out as it is undone from now on; None when it is undone already, or over.

    It is as good as over once all its sessions are moved and begin to pin its build: they have nothing else to go back
    to then.
    """
    is_pinning = rollout.state is RolloutState.OTHERS and not rollout.is_default and next_move(rollout) is None
    if is_pinning or (rollout.state, _Signal.CANCELLED) not in _NEXT:
        return None
    return replace(_signalled(rollout, _Signal.CANCELLED), detail=why)


def joined(rollout: Rollout, newcomers: Iterable[SessionId]) -> Rollout:
    """Return the roll-out with these sessions at its end, which came while it was under way."""
    known = {each.session_id for each in rollout.moves}
    fresh = tuple(RolloutMove(session_id=each) for each in newcomers if each not in known)
    return replace(rollout, moves=(*rollout.moves, *fresh))


def _signalled(rollout: Rollout, signal: _Signal) -> Rollout:
    return replace(rollout, state=_NEXT.get((rollout.state, signal), rollout.state))


def _with(rollout: Rollout, session_id: SessionId, change: Callable[[RolloutMove], RolloutMove]) -> Rollout:
    moves = tuple(change(move) if move.session_id == session_id else move for move in rollout.moves)
    return replace(rollout, moves=moves)


#: What a session's status says that it must come back to; any other is that of a session without a well engine.
_EXPECTED: Final[Mapping[Status, Expected]] = {
    Status.CONNECTED: Expected.CONNECTED,
    Status.QR_READY: Expected.LINKING,
    Status.AUTHENTICATING: Expected.LINKING,
    Status.CREATING: Expected.LINKING,
    Status.DISCONNECTED: Expected.UP,
}
_BACK: Final[Mapping[Expected, frozenset[Status]]] = {
    Expected.CONNECTED: frozenset({Status.CONNECTED}),
    Expected.LINKING: frozenset({Status.QR_READY, Status.AUTHENTICATING, Status.CONNECTED}),
    Expected.UP: frozenset({Status.DISCONNECTED, Status.CONNECTED}),
}
#: Out of these nothing better comes by itself, or only by luck.
_LOST: Final = frozenset({Status.RESTARTING, Status.FAILED, Status.BANNED, Status.LOGGED_OUT})
#: The canaries are taken from the front: a session that is connected proves the most.
_ORDER: Final = (Status.CONNECTED, Status.DISCONNECTED, Status.QR_READY, Status.AUTHENTICATING, Status.CREATING)


def expected_of(session: Session) -> Expected:
    """Return what a session must come back to when it is restarted now."""
    if session.desired is not Desired.RUNNING:
        return Expected.NOTHING
    if session.status is Status.CREATING and is_paired(session):
        return Expected.CONNECTED  # it boots, and has an account to lose
    return _EXPECTED.get(session.status, Expected.NOTHING)


def expected_back(move: RolloutMove, session: Session, build: BuildName) -> Expected:
    """Return what a session must come back to on its way back to this build.

    That is what it was when it was first touched. If no engine of it ran then, it is what it is now: whoever started it
    meanwhile has started the build that is being taken back.
    """
    if move.expected not in (None, Expected.NOTHING):
        return move.expected
    return Expected.NOTHING if build_of(session) in (None, build) else expected_of(session)


def build_of(session: Session) -> BuildName | None:
    """Return the build that the session's engine runs; None when it has none."""
    launch = session.launch
    return None if launch is None else BuildName(launch.build or HOME_BUILD)


def verdict_on(session: Session, expected: Expected, build: BuildName) -> Verdict:
    """Return what is to be said of a session that was restarted to run this build."""
    if expected is Expected.NOTHING or session.desired is not Desired.RUNNING:
        return Verdict.WELL  # nobody runs it, or a person has stopped it meanwhile
    if session.status in _LOST:
        return Verdict.LOST
    runs = build_of(session) == build and session.process is ProcessState.RUNNING
    if runs and session.status in _BACK[expected]:
        return Verdict.WELL
    asks_for_code = runs and expected is Expected.CONNECTED and session.status is Status.QR_READY
    # A restart that was asked for forgets earlier crashes; of one there may be nothing else to be seen, for the next
    # launch may follow at once.
    has_crashed = session.restarts.streak > 0
    return Verdict.LOST if asks_for_code or has_crashed else Verdict.PENDING


def has_fallen(session: Session, expected: Expected, build: BuildName) -> bool:
    """Tell whether a session that came back well is lost by now, or has crashed since, well again or not."""
    if expected is Expected.NOTHING or session.desired is not Desired.RUNNING:
        return False
    return session.restarts.streak > 0 or verdict_on(session, expected, build) is Verdict.LOST


def in_order(sessions: Iterable[Session]) -> list[SessionId]:
    """Return the sessions as a roll-out takes them: connected ones first, those without an engine last."""
    rank = {status: number for number, status in enumerate(_ORDER)}
    ordered = sorted(sessions, key=lambda each: (rank.get(each.status, len(rank)), each.session_id))
    return [each.session_id for each in ordered]
