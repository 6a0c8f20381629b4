"""The life of a session: which stimulus is taken in which state, which transition answers it, and what is recorded."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.session import link, pairing, process, requests
from openwa_manager.domain.session.announcements import changes_of, events_of
from openwa_manager.domain.session.commands import Command
from openwa_manager.domain.session.context import Announcement, Answer, Context, Dropped, Outcome, Refused
from openwa_manager.domain.session.deadlines import Moment, applies
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import ProcessState, Session, Step
from openwa_manager.domain.session.stimuli import (
    AccountUnlinked,
    ActivitySeen,
    BringUpRefused,
    ChangeRequested,
    CredentialsRestored,
    CredentialsSetAside,
    DataInspected,
    Deadline,
    DeadlinePassed,
    DeleteRequested,
    DirectoryRemoved,
    EngineEnded,
    EngineEventReceived,
    EngineFaulted,
    EngineFound,
    EngineReady,
    Launched,
    LaunchFailed,
    LaunchObservation,
    LaunchPostponed,
    LinkCheckRequested,
    LinkReported,
    LogoutRequested,
    MessageAcknowledged,
    PairingRequested,
    ProcessExited,
    ProgramFound,
    QrProduced,
    RemovalHindered,
    Request,
    RestartRequested,
    Restricted,
    Resumed,
    SilenceNoticed,
    SlotDelayed,
    SlotGranted,
    StartRequested,
    Stimulus,
    StopRequested,
    SupervisionFailed,
    WebhooksLost,
)
from openwa_manager.domain.values import dataclass

# Two machines make up a session. The *process* machine says where the engine's process is: `stopped`; `starting` (it
# waits at the start gate, is being launched, or does not answer yet); `running` (it answers and is proven ours);
# `stopping` (it is being ended); `backoff` (it waits for its restart); `failed` (given up for now, with one try every
# `slow_retry_s`). The *link* machine says where its connection to WhatsApp is: `unknown`, `qr_ready`,
# `authenticating`, `connected`, `disconnected`, `banned`, `logged_out`. TRANSITIONS below is the table of the process
# machine, LINKS in link.py that of the link machine.
#
# Why two machines, not one. They fail apart and are repaired apart. A crashed process is ours to restart, whatever its
# link was; a link that is down leaves a healthy process, which tries again by itself and is best left alone. One
# machine would be their product, 42 states, most of them impossible, and every crash would be written once per link.
#
# The joint rule. A session whose process is neither `starting` nor `running` has the link `unknown`, except
# that `banned` and `logged_out` outlive their engine and stay until the next start, because only a person can
# go on from there. A link is `connected` or `authenticating` only in `running`; a code may be shown in `starting`
# already, by an engine that shows it before it answers. `Session.status` makes the one public word of both machines.
#
# Refused, dropped. A request comes from a person. In a state that its row does not name it is refused: the caller gets
# 409 `illegal_transition` and nothing happens. An observation comes from the world and may be late. In a state that
# its row does not name it is dropped, which leaves a line in the debug log and nothing else. Never the other way round.
# A transition may refuse or drop too, where more than the process state counts: a start of a session that is being
# deleted, a code that is shown already. `RestartRequested` is taken in every state.
#
# Which launch is meant. Each launch has a random id, and every observation of an engine carries the id of its launch.
# One with another id than the session's present launch is dropped, so nothing that an earlier engine left behind
# touches this one. A launch has two parts: before its process is known and after. `Launched`, `EngineFound`,
# `LaunchFailed` and `LaunchPostponed` are news of the first part only, `EngineReady` and `ProcessExited` of the second:
# taken out of turn, they would lose sight of a live engine.
#
# At most one live engine. Only `SlotGranted` makes a launch, only in `starting`, and only if there is none. A launch
# is let go only when its end is proven: by `ProcessExited`, by `EngineEnded`, or because it never was, which
# `LaunchFailed` says, and `EngineFound`, which brings the launch of an engine that runs already. `stopping` always has
# an `Ending`: the cause, and what follows once the engine is proven dead. A request that comes meanwhile changes what
# follows, not the way down.
#
# Deadlines. None is stored. After each decision deadlines.py derives from the session which of them apply: one that
# applied before goes on running, the others start or stop. One that has expired comes as `DeadlinePassed` and is
# answered by its function in DEADLINES; one that does not apply any more is dropped. Those that blame an engine or a
# link are armed anew, not obeyed, when the host slept meanwhile: nobody could see them met.
#
# What is recorded. A decision is written before it is acted on, and in one transaction: the session, the step of its
# timeline, its events. Commands are not stored. After a crash of the daemon the row says what was going on, and
# `Resumed` decides anew from there: adopt, end, restart. A change nobody would miss, like `last_seen_at`, is not worth
# a write of its own: `Decided.is_durable` is False and it is written with the next one that is. What is learnt of a
# launch is always worth one: the next daemon cannot learn it again.
#
# What is told. The events of a changed status or link come from comparing the session before and after
# (announcements.py), so no transition can forget one. A transition adds only what the comparison cannot know.
#
# All of this is pure. The time, the host's condition and a random draw come in with `Moment`, so the same call always
# gives the same answer, and the whole life of a session can be walked through by a test within milliseconds.

StimulusT = TypeVar("StimulusT", bound=Stimulus)
StateTable = Mapping[ProcessState, tuple[ProcessState, ...]]


class Row(Protocol):
    """A row of the table, whatever its stimulus."""

    @property
    def stimulus(self) -> type[Stimulus]:
        """Return what happens."""
        ...

    @property
    def transition(self) -> Callable[..., Answer]:
        """Return the function that decides what follows."""
        ...

    @property
    def leads_to(self) -> StateTable:
        """Return, for each state that takes the stimulus, the states it may lead to."""
        ...

    def answer(self, stimulus: Stimulus, context: Context) -> Answer:
        """Return what follows of a stimulus of this row."""
        ...


@dataclass(frozen=True, slots=True)
class _Row(Generic[StimulusT]):
    """A row whose transition is checked to be one for its stimulus."""

    stimulus: type[StimulusT]
    transition: Callable[[StimulusT, Context], Answer]
    leads_to: StateTable

    def answer(self, stimulus: Stimulus, context: Context) -> Answer:
        assert isinstance(stimulus, self.stimulus)  # noqa: S101 (the table is asked by the stimulus's type)
        return self.transition(stimulus, context)


#: Deadline -> what follows when it expires.
DEADLINES: Mapping[Deadline, Callable[[Context], Outcome]] = {
    Deadline.SLOW: link.still_waiting,
    Deadline.LAUNCH: process.launch_timed_out,
    Deadline.BOOT: process.boot_timed_out,
    Deadline.BACKOFF: process.restart_due,
    Deadline.SLOW_RETRY: process.restart_due,
    Deadline.STEADY: process.forget_crashes,
    Deadline.INITIALIZING: link.initializing_timed_out,
    Deadline.AUTHENTICATING: link.authenticating_timed_out,
    Deadline.QR_EXPIRY: link.code_expired,
    Deadline.PAIRING_WINDOW: link.pairing_window_closed,
    Deadline.LINK_DOWN: link.network_restart_due,
    Deadline.REPLACED: link.replaced_restart_due,
}


def _deadline_passed(stimulus: DeadlinePassed, context: Context) -> Outcome:
    return DEADLINES[stimulus.deadline](context)


def _same(*states: ProcessState) -> StateTable:
    return {state: (state,) for state in states}


_STOPPED, _STARTING, _RUNNING = ProcessState.STOPPED, ProcessState.STARTING, ProcessState.RUNNING
_STOPPING, _BACKOFF, _FAILED = ProcessState.STOPPING, ProcessState.BACKOFF, ProcessState.FAILED
#: Where an engine goes that has ended as decided.
_AFTER_END = (_STOPPED, _STOPPING, _STARTING, _BACKOFF, _FAILED)

#: The stimulus, its transition, and for each state that takes it the states it may lead to. A state that is absent
#: refuses a request and drops an observation.
ROWS: tuple[Row, ...] = (
    _Row(
        StartRequested,
        requests.start,
        {
            _STOPPED: (_STARTING,),
            _STARTING: (_STARTING,),
            _RUNNING: (_RUNNING,),
            _STOPPING: (_STOPPING,),
            _BACKOFF: (_STARTING,),
            _FAILED: (_STARTING,),
        },
    ),
    _Row(
        PairingRequested,
        requests.pair,
        {
            _STOPPED: (_STARTING,),
            _STARTING: (_STARTING,),
            _RUNNING: (_RUNNING,),
            _STOPPING: (_STOPPING,),
            _BACKOFF: (_STARTING,),
            _FAILED: (_STARTING,),
        },
    ),
    _Row(
        StopRequested,
        requests.stop,
        {
            _STOPPED: (_STOPPED,),
            _STARTING: (_STOPPED, _STOPPING),
            _RUNNING: (_STOPPING,),
            _STOPPING: (_STOPPING,),
            _BACKOFF: (_STOPPED,),
            _FAILED: (_STOPPED,),
        },
    ),
    _Row(
        RestartRequested,
        requests.restart,
        {
            _STOPPED: (_STARTING,),
            _STARTING: (_STARTING, _STOPPING),
            _RUNNING: (_STOPPING,),
            _STOPPING: (_STOPPING,),
            _BACKOFF: (_STARTING,),
            _FAILED: (_STARTING,),
        },
    ),
    _Row(
        LogoutRequested,
        requests.log_out,
        {
            _STOPPED: (_STOPPED,),
            _RUNNING: (_STOPPING,),
            _STOPPING: (_STOPPING,),
            _BACKOFF: (_STOPPED,),
            _FAILED: (_STOPPED,),
        },
    ),
    _Row(DeleteRequested, requests.delete, dict.fromkeys(ProcessState, (_STOPPING,))),
    _Row(ChangeRequested, requests.change, _same(*ProcessState)),
    _Row(
        Resumed,
        process.resumed,
        {
            _STOPPED: (_STARTING,),
            _STARTING: (_STARTING, _BACKOFF, _FAILED),
            _RUNNING: (_RUNNING, _STARTING, _BACKOFF, _FAILED),
            _STOPPING: (_STOPPING,),
            _BACKOFF: (_BACKOFF,),
            _FAILED: (_FAILED,),
        },
    ),
    _Row(
        SupervisionFailed,
        process.supervision_failed,
        {_STARTING: (_STOPPING, _FAILED), _RUNNING: (_STOPPING,), _BACKOFF: (_FAILED,)},
    ),
    _Row(SlotGranted, process.slot_granted, _same(_STARTING)),
    _Row(SlotDelayed, process.slot_delayed, _same(_STARTING)),
    _Row(LaunchPostponed, process.launch_postponed, _same(_STARTING)),
    _Row(Launched, process.launched, _same(_STARTING, _STOPPING)),
    _Row(EngineFound, process.engine_found, {_STARTING: (_STARTING, _STOPPING), _STOPPING: (_STOPPING,)}),
    _Row(LaunchFailed, process.launch_failed, {_STARTING: (_FAILED,), _STOPPING: _AFTER_END}),
    _Row(ProgramFound, process.program_found, {_FAILED: (_STARTING,)}),
    _Row(CredentialsRestored, process.credentials_restored, _same(_STARTING)),
    _Row(CredentialsSetAside, process.credentials_set_aside, _same(_STARTING, _RUNNING)),
    _Row(BringUpRefused, process.bring_up_refused, _same(_STARTING)),
    _Row(EngineReady, process.engine_ready, {_STARTING: (_RUNNING,), _RUNNING: (_RUNNING,)}),
    _Row(EngineFaulted, process.engine_faulted, {_STARTING: (_STOPPING,), _RUNNING: (_STOPPING,)}),
    _Row(DataInspected, process.data_inspected, {_RUNNING: (_RUNNING, _STOPPING)}),
    _Row(ProcessExited, process.process_exited, {_STARTING: (_BACKOFF, _FAILED), _RUNNING: (_BACKOFF, _FAILED)}),
    _Row(AccountUnlinked, pairing.account_unlinked, _same(_STOPPING)),
    _Row(EngineEnded, process.engine_ended, {_STOPPING: _AFTER_END}),
    _Row(RemovalHindered, process.removal_hindered, _same(_STOPPING)),
    _Row(DirectoryRemoved, process.directory_removed, _same(_STOPPING)),
    _Row(
        DeadlinePassed,
        _deadline_passed,
        {
            _STARTING: (_STARTING, _STOPPING),
            _RUNNING: (_RUNNING, _STOPPING),
            _BACKOFF: (_STARTING,),
            _FAILED: (_STARTING,),
        },
    ),
    _Row(LinkReported, link.link_reported, {_RUNNING: (_RUNNING, _STOPPING)}),
    _Row(SilenceNoticed, link.silence_noticed, _same(_RUNNING)),
    _Row(QrProduced, link.qr_produced, _same(_STARTING, _RUNNING)),
    _Row(Restricted, link.restricted, _same(_RUNNING)),
    _Row(WebhooksLost, link.webhooks_lost, _same(_RUNNING)),
    _Row(LinkCheckRequested, link.link_check_requested, _same(_RUNNING)),
    _Row(ActivitySeen, link.activity_seen, _same(_STARTING, _RUNNING)),
    _Row(MessageAcknowledged, link.acknowledged, _same(_STARTING, _RUNNING, _STOPPING)),
    _Row(EngineEventReceived, link.event_received, _same(_STARTING, _RUNNING, _STOPPING)),
)
TRANSITIONS: Mapping[type[Stimulus], Row] = {row.stimulus: row for row in ROWS}


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
    if isinstance(stimulus, DeadlinePassed) and not applies(session, stimulus.deadline, moment, policy):
        return Dropped(why="a deadline that is no longer held")
    row = TRANSITIONS[type(stimulus)]
    if session.process not in row.leads_to:
        if isinstance(stimulus, Request):
            return Refused(detail=f"not possible while the session is {session.status}")
        return Dropped(why=f"means nothing while {session.process}")
    answer = row.answer(stimulus, Context(session=session, moment=moment, policy=policy))
    return _decided(session, stimulus, moment, answer) if isinstance(answer, Outcome) else answer


def begin(session: Session) -> Decided:
    """Return the first decision of a new session: that it exists."""
    announcement = Announcement(type="session.created", data={"pid": None})
    step = Step(session_id=session.session_id, at=session.created_at, stimulus="Created", decision="created")
    return Decided(session=session, steps=(step,), events=events_of(session, [announcement], session.created_at))


#: What is news of a launch only before its process is known, and what only once it is.
_BEFORE_THE_PROCESS = (Launched, EngineFound, LaunchFailed, LaunchPostponed)
_OF_THE_PROCESS = (EngineReady, ProcessExited)


def _is_current(session: Session, stimulus: LaunchObservation) -> bool:
    if session.launch is None or session.launch.launch_id != stimulus.launch_id:
        return False
    return not isinstance(stimulus, _OF_THE_PROCESS if session.pid is None else _BEFORE_THE_PROCESS)


def _decided(before: Session, stimulus: Stimulus, moment: Moment, outcome: Outcome) -> Decided:
    after = outcome.session
    changes = () if after is before else changes_of(before, outcome)
    events = events_of(after, [*changes, *outcome.announcements], moment.at)
    is_durable = bool(outcome.decision or events or outcome.is_gone or after.launch is not before.launch)
    if is_durable:
        after = replace(after, updated_at=moment.at)
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
