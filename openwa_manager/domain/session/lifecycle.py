"""The life of a session: which stimulus is met in which state, what is decided, and what the world is told of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from openwa_manager.domain.delivery.events import UNNUMBERED, Event
from openwa_manager.domain.session import link, process, requests
from openwa_manager.domain.session.commands import Command
from openwa_manager.domain.session.context import Announcement, Context, Dropped, Outcome, Refused, move
from openwa_manager.domain.session.deadlines import Moment, is_held
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import (
    LinkState,
    ProcessState,
    Session,
    Status,
    Step,
)
from openwa_manager.domain.session.stimuli import (
    BringUpRefused,
    ChangeRequested,
    CredentialsRestored,
    DeadlinePassed,
    DeleteRequested,
    DirectoryRemoved,
    EngineEnded,
    EngineEventReceived,
    EngineFaulted,
    EngineReady,
    Launched,
    LaunchFailed,
    LaunchObservation,
    LaunchPostponed,
    LifeSeen,
    LinkCheckRequested,
    LinkReported,
    LogoutRequested,
    MessageAcknowledged,
    PostsMissed,
    ProcessExited,
    QrProduced,
    Request,
    RestartRequested,
    Restricted,
    Resumed,
    SlotDelayed,
    SlotGranted,
    StartRequested,
    Stimulus,
    StopRequested,
    SupervisionFailed,
)

__all__ = ["TRANSITIONS", "Decided", "Dropped", "Refused", "decide", "link", "process", "requests"]

_STOPPED, _STARTING, _RUNNING = ProcessState.STOPPED, ProcessState.STARTING, ProcessState.RUNNING
_STOPPING, _BACKOFF, _FAILED = ProcessState.STOPPING, ProcessState.BACKOFF, ProcessState.FAILED

#: stimulus -> state -> the states it may lead to. A state that is absent refuses a request and drops an observation.
TRANSITIONS: Mapping[type[Stimulus], Mapping[ProcessState, tuple[ProcessState, ...]]] = {
    StartRequested: {
        _STOPPED: (_STARTING,),
        _STARTING: (_STARTING,),
        _RUNNING: (_RUNNING,),
        _STOPPING: (_STOPPING,),
        _BACKOFF: (_STARTING,),
        _FAILED: (_STARTING,),
    },
    StopRequested: {
        _STOPPED: (_STOPPED,),
        _STARTING: (_STOPPED, _STOPPING),
        _RUNNING: (_STOPPING,),
        _STOPPING: (_STOPPING,),
        _BACKOFF: (_STOPPED,),
        _FAILED: (_STOPPED,),
    },
    RestartRequested: {
        _STOPPED: (_STARTING,),
        _STARTING: (_STARTING, _STOPPING),
        _RUNNING: (_STOPPING,),
        _STOPPING: (_STOPPING,),
        _BACKOFF: (_STARTING,),
        _FAILED: (_STARTING,),
    },
    LogoutRequested: {
        _STOPPED: (_STOPPED,),
        _RUNNING: (_STOPPING,),
        _STOPPING: (_STOPPING,),
        _BACKOFF: (_STOPPED,),
        _FAILED: (_STOPPED,),
    },
    DeleteRequested: dict.fromkeys(ProcessState, (_STOPPING,)),
    ChangeRequested: {state: (state,) for state in ProcessState},
    Resumed: {
        _STOPPED: (_STARTING,),
        _STARTING: (_STARTING, _BACKOFF, _FAILED),
        _RUNNING: (_RUNNING, _STARTING, _BACKOFF, _FAILED),
        _STOPPING: (_STOPPING,),
        _BACKOFF: (_BACKOFF,),
        _FAILED: (_FAILED,),
    },
    SupervisionFailed: {_STARTING: (_STOPPING, _FAILED), _RUNNING: (_STOPPING,), _BACKOFF: (_FAILED,)},
    SlotGranted: {_STARTING: (_STARTING,)},
    SlotDelayed: {_STARTING: (_STARTING,)},
    Launched: {_STARTING: (_STARTING,), _STOPPING: (_STOPPING,)},
    LaunchFailed: {_STARTING: (_FAILED,), _STOPPING: (_STOPPED, _STOPPING, _STARTING, _BACKOFF, _FAILED)},
    LaunchPostponed: {_STARTING: (_STARTING,)},
    BringUpRefused: {_STARTING: (_STARTING,)},
    CredentialsRestored: {_STARTING: (_STARTING,)},
    EngineReady: {_STARTING: (_RUNNING,), _RUNNING: (_RUNNING,)},
    EngineFaulted: {_STARTING: (_STOPPING,), _RUNNING: (_STOPPING,)},
    ProcessExited: {_STARTING: (_BACKOFF, _FAILED), _RUNNING: (_BACKOFF, _FAILED)},
    EngineEnded: {_STOPPING: (_STOPPED, _STOPPING, _STARTING, _BACKOFF, _FAILED)},
    DirectoryRemoved: {_STOPPING: (_STOPPING,)},
    DeadlinePassed: {
        _STARTING: (_STARTING, _STOPPING),
        _RUNNING: (_RUNNING, _STOPPING),
        _BACKOFF: (_STARTING,),
        _FAILED: (_STARTING,),
    },
    LinkReported: {_RUNNING: (_RUNNING, _STOPPING)},
    QrProduced: {_STARTING: (_STARTING,), _RUNNING: (_RUNNING,)},
    Restricted: {_RUNNING: (_RUNNING,)},
    PostsMissed: {_RUNNING: (_RUNNING,)},
    LinkCheckRequested: {_RUNNING: (_RUNNING,)},
    MessageAcknowledged: {state: (state,) for state in (_STARTING, _RUNNING, _STOPPING)},
    EngineEventReceived: {state: (state,) for state in (_STARTING, _RUNNING, _STOPPING)},
    LifeSeen: {_STARTING: (_STARTING,), _RUNNING: (_RUNNING,)},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision: the session as it is then, what to write, what to do; `is_gone` marks the session's end."""

    session: Session
    steps: tuple[Step, ...] = ()
    events: tuple[Event, ...] = ()
    commands: tuple[Command, ...] = ()
    is_gone: bool = False
    is_durable: bool = True


def decide(session: Session, stimulus: Stimulus, moment: Moment, policy: Policy) -> Decided | Refused | Dropped:
    """Return what this stimulus makes of the session; pure, so the same call always gives the same answer."""
    if isinstance(stimulus, LaunchObservation) and not _is_current(session, stimulus):
        return Dropped(why="of an earlier launch, or of an earlier part of this one")
    if isinstance(stimulus, DeadlinePassed) and not is_held(session, stimulus.deadline, moment, policy):
        return Dropped(why="a deadline that is no longer held")
    if session.process not in TRANSITIONS[type(stimulus)]:
        if isinstance(stimulus, Request):
            return Refused(detail=f"not possible while the session is {session.status}")
        return Dropped(why=f"means nothing while {session.process}")
    outcome = move(stimulus, Context(session=session, moment=moment, policy=policy))
    return _decided(session, stimulus, moment, outcome) if isinstance(outcome, Outcome) else outcome


def begin(session: Session) -> Decided:
    """Return the first decision of a new session: that it exists."""
    announcement = Announcement(type="session.created", data={"pid": None})
    step = Step(session_id=session.session_id, at=session.created_at, stimulus="Created", decision="created")
    events = _number(session, [announcement], session.created_at)
    numbered = replace(session, event_seq=_last_number(session, events))
    return Decided(session=numbered, steps=(step,), events=events)


#: What is news of a launch only before its process is known, and what only once it is: taken out of turn, these
#: would lose sight of a live engine.
_BEFORE_THE_PROCESS = (Launched, LaunchFailed, LaunchPostponed)
_OF_THE_PROCESS = (EngineReady, ProcessExited)


def _is_current(session: Session, stimulus: LaunchObservation) -> bool:
    if session.launch is None or session.launch.launch_id != stimulus.launch_id:
        return False
    return not isinstance(stimulus, _OF_THE_PROCESS if session.pid is None else _BEFORE_THE_PROCESS)


def _decided(before: Session, stimulus: Stimulus, moment: Moment, outcome: Outcome) -> Decided:
    after = outcome.session
    changes = () if after is before else _changes(before, outcome)
    events = _number(after, [*changes, *outcome.announcements], moment.at)
    is_durable = bool(outcome.decision or events or outcome.is_gone)
    if is_durable:
        after = replace(after, event_seq=_last_number(after, events), updated_at=moment.at)
    steps: tuple[Step, ...] = ()
    if outcome.decision:
        step = Step(
            session_id=before.session_id,
            at=moment.at,
            stimulus=_name_of(stimulus),
            decision=outcome.decision,
            evidence=outcome.evidence,
        )
        steps = (step,)
    return Decided(
        session=after,
        steps=steps,
        events=events,
        commands=outcome.commands,
        is_gone=outcome.is_gone,
        is_durable=is_durable or after.desired is not before.desired,
    )


def _name_of(stimulus: Stimulus) -> str:
    name = type(stimulus).__name__
    return f"{name}({stimulus.deadline})" if isinstance(stimulus, DeadlinePassed) else name


def _number(session: Session, announcements: list[Announcement], at: float) -> tuple[Event, ...]:
    """Return the announcements as the session's next events."""
    seq = session.event_seq
    events = []
    for announcement in announcements:
        is_numbered = announcement.type not in UNNUMBERED
        seq += is_numbered
        event = Event(
            type=announcement.type,
            occurred_at=at,
            session_id=session.session_id,
            user_id=session.spec.user_id,
            session_seq=seq if is_numbered else None,
            launch=session.launch_count,
            expires_at=announcement.expires_at,
            data=announcement.data,
        )
        events.append(event)
    return tuple(events)


def _last_number(session: Session, events: tuple[Event, ...]) -> int:
    """Return the number of the session's last event once these are told."""
    return max((event.session_seq for event in events if event.session_seq is not None), default=session.event_seq)


def _changes(before: Session, outcome: Outcome) -> Iterator[Announcement]:
    """Yield what every endpoint hears of a change, whichever move made it."""
    after = outcome.session
    reason = {"reason": after.reason.code.value, "reason_detail": after.reason.detail} if after.reason else {}
    if after.status is not before.status or _is_down_otherwise(before, after):
        data = {"status": after.status.value, "previous": before.status.value, "reason": None, **reason}
        yield Announcement(type="session.status", data=data)
    if after.link is not before.link:
        yield from _changes_of_link(before, after, reason)
    ended = {
        "pid": before.pid,
        "exit_code": outcome.evidence.get("exit_code"),
        "signal": outcome.evidence.get("signal"),
    }
    if after.process is _STOPPED and before.process is not _STOPPED:
        yield Announcement(type="session.stopped", data={**ended, **reason})
    if after.process is _FAILED and not before.restarts.is_slow:
        yield Announcement(type="session.failed", data={**ended, "attempt": after.restarts.streak, **reason})


def _is_down_otherwise(before: Session, after: Session) -> bool:
    """Tell whether a link that stays down now needs something else: waiting, or a person."""
    if after.status is not Status.DISCONNECTED or before.reason is None or after.reason is None:
        return False
    return before.reason.code is not after.reason.code


def _changes_of_link(before: Session, after: Session, reason: Mapping[str, str]) -> Iterator[Announcement]:
    match after.link:
        case LinkState.CONNECTED:
            data = {"phone_number": after.phone_number, "push_name": after.push_name}
            yield Announcement(type="session.connected", data=data)
        case LinkState.BANNED | LinkState.LOGGED_OUT:
            yield Announcement(type=f"session.{after.link}", data={"phone_number": before.phone_number, **reason})
        case _ if before.link is LinkState.CONNECTED:
            data = {"phone_number": before.phone_number, **reason}
            yield Announcement(type="session.disconnected", data=data)
        case _:
            return
