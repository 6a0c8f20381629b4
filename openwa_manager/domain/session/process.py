"""What the world does to an engine's process: slots, launches, exits, endings and the deadlines of a process."""

from dataclasses import replace
from typing import assert_never

from openwa_manager.domain.session.commands import AwaitProgram, BringUp, Dequeue, End, Forget, Spawn, Sweep, WatchExit
from openwa_manager.domain.session.context import Announcement, Context, Dropped, Outcome
from openwa_manager.domain.session.launch_facts import NotUp, ProgramMissing, Starting
from openwa_manager.domain.session.reasons import (
    DataLost,
    HostLimitReached,
    Reason,
    ReasonCode,
    Requested,
    RequestedAction,
)
from openwa_manager.domain.session.restart import AFTER
from openwa_manager.domain.session.session import (
    After,
    Desired,
    Ending,
    Exit,
    Identity,
    Launch,
    LinkState,
    ProcessState,
    Restarts,
    Session,
)
from openwa_manager.domain.session.stimuli import (
    BringUpRefused,
    CredentialsRestored,
    CredentialsSetAside,
    DataInspected,
    DirectoryRemoved,
    EngineEnded,
    EngineFaulted,
    EngineFound,
    EngineReady,
    Launched,
    LaunchFailed,
    LaunchPostponed,
    ProcessExited,
    ProgramFound,
    RemovalHindered,
    Resumed,
    SlotDelayed,
    SlotGranted,
    SupervisionFailed,
)
from openwa_manager.domain.session.transition import crashed, failed, queued, restarted, stopped, stopping, unlaunched


def slot_granted(stimulus: SlotGranted, context: Context) -> Outcome | Dropped:
    """Record the launch that may now begin."""
    if context.session.launch is not None:
        return Dropped(why="a launch is already under way")
    launch = stimulus.launch
    session = replace(
        context.session,
        launch=launch,
        launch_count=launch.number,
        reason=context.reason(launch.cause, Starting()),
    )
    evidence = {"launch": launch.number, "port": launch.listening_port, "cause": launch.cause.value}
    if launch.build is not None:
        evidence["build"] = launch.build
    return Outcome(session=session, decision="launch", commands=(Spawn(launch=launch),), evidence=evidence)


def slot_delayed(stimulus: SlotDelayed, context: Context) -> Outcome | Dropped:
    """Say what the host is short of while the session waits."""
    reason = context.session.reason
    if context.session.launch is not None or (reason and reason.code is stimulus.code):
        return Dropped(why="already known")
    delayed = context.reason(stimulus.code, stimulus.facts)
    return Outcome(session=replace(context.session, reason=delayed), decision=f"start delayed: {stimulus.code}")


def launched(stimulus: Launched, context: Context) -> Outcome:
    """Record the process that was started; one whose end was asked for meanwhile is ended."""
    session = context.session
    launch = replace(_launch_of(session), identity=stimulus.identity)
    session = replace(session, launch=launch, started_at=context.moment.at)
    evidence = {"pid": stimulus.identity.pid, "launch": launch.number}
    watch = WatchExit(launch=launch, identity=stimulus.identity)
    if session.process is ProcessState.STOPPING:
        return Outcome(session=session, decision="end it", evidence=evidence).then(End(launch=launch))
    outcome = Outcome(session=session, decision="wait until it answers", evidence=evidence).then(
        watch, BringUp(launch=launch)
    )
    if session.restarts.last_reason is None:
        return outcome
    data = {
        "pid": stimulus.identity.pid,
        "attempt": session.restarts.streak,
        "reason": session.restarts.last_reason.value,
    }
    return outcome.with_event(Announcement(type="session.restarted", data=data))


def engine_found(stimulus: EngineFound, context: Context) -> Outcome:
    """Adopt an engine that runs already, in place of the launch that was to be; a restart that was asked for ends it.

    So does whatever ended that launch meanwhile.
    """
    found = stimulus.launch
    session = replace(
        context.session,
        launch=found,
        engine_key=stimulus.engine_key,
        started_at=found.launched_at,
        reason=context.reason(found.cause),
    )
    if context.session.process is ProcessState.STOPPING:
        session = replace(session, reason=context.session.reason)
        outcome = Outcome(session=session, decision="end the engine that was found").then(End(launch=found))
    elif session.restarts.last_reason is ReasonCode.REQUESTED:
        ending = Ending(after=After.START_AGAIN, cause=ReasonCode.REQUESTED)
        outcome = stopping(context.of(session), ending, Requested(action=RequestedAction.RESTART))
    else:
        watch = WatchExit(launch=found, identity=_identity_of(found))
        outcome = Outcome(session=session, decision="adopted").then(watch, BringUp(launch=found))
    return outcome.with_evidence(pid=session.pid)


def _identity_of(launch: Launch) -> Identity:
    assert launch.identity is not None  # noqa: S101 (what was found lives)
    return launch.identity


def _launch_of(session: Session) -> Launch:
    assert session.launch is not None  # noqa: S101 (the caller has compared its launch id)
    return session.launch


def launch_failed(stimulus: LaunchFailed, context: Context) -> Outcome:
    """Give up for now, or take the asked-for end as reached."""
    if context.session.process is ProcessState.STOPPING:
        return _after_end(context, Exit())
    outcome = failed(context, stimulus.code, stimulus.facts)
    return outcome.then(AwaitProgram()) if isinstance(stimulus.facts, ProgramMissing) else outcome


def program_found(stimulus: ProgramFound, context: Context) -> Outcome | Dropped:
    """Start a session that failed for want of its program."""
    del stimulus
    if not _lacks_program(context.session):
        return Dropped(why="it failed for another reason")
    return restarted(context, ReasonCode.LAUNCH_FAILED)


def _lacks_program(session: Session) -> bool:
    return session.reason is not None and isinstance(session.reason.facts, ProgramMissing)


def launch_postponed(stimulus: LaunchPostponed, context: Context) -> Outcome | Dropped:
    """Say what the host has run out of; the deadline for it runs from the first time."""
    facts = HostLimitReached(limit=stimulus.limit)
    if context.session.reason is not None and context.session.reason.facts == facts:
        return Dropped(why="already known")
    reason = context.reason(ReasonCode.HOST_LIMIT, facts)
    outcome = Outcome(session=replace(context.session, reason=reason), decision=f"launch postponed: {reason.detail}")
    return outcome.with_evidence(limit=stimulus.limit.value)


def credentials_restored(stimulus: CredentialsRestored, context: Context) -> Outcome:
    """Say that the link was saved from a broken file."""
    del stimulus
    reason = context.reason(ReasonCode.CREDENTIALS_RESTORED)
    return Outcome(session=replace(context.session, reason=reason), decision="credentials restored from the kept copy")


def credentials_set_aside(stimulus: CredentialsSetAside, context: Context) -> Outcome:
    """Say why a paired session shows a code: its credentials could not be read, and no whole copy is kept."""
    decision = "shows a code: the engine could not read its credentials and set them aside"
    return Outcome(session=context.session, decision=decision).with_evidence(directory=stimulus.directory)


def bring_up_refused(stimulus: BringUpRefused, context: Context) -> Outcome:
    """Say what stands in the way of an engine that is coming up; the first time it is worth a step."""
    session, facts = context.session, Starting(refusal=stimulus.detail)
    if session.reason is not None and _refusal_of(session.reason) is not None:
        return Outcome(session=replace(session, reason=replace(session.reason, facts=facts)))
    refused = replace(session, reason=context.reason(_launch_of(session).cause, facts))
    return Outcome(session=refused, decision="not up yet").with_evidence(detail=stimulus.detail)


def _refusal_of(reason: Reason | None) -> str | None:
    """Return what the engine that is coming up said last; None while it said nothing."""
    return reason.facts.refusal if reason and isinstance(reason.facts, Starting) else None


def engine_ready(stimulus: EngineReady, context: Context) -> Outcome | Dropped:
    """Count the engine as running."""
    session = replace(context.session, inner_id=stimulus.inner_id or context.session.inner_id)
    if session.process is ProcessState.STARTING:
        session = replace(session, process=ProcessState.RUNNING, reason=None, last_seen_at=context.moment.at)
        return Outcome(session=session, decision="running")
    return Dropped(why="already running") if session == context.session else Outcome(session=session)


def engine_faulted(stimulus: EngineFaulted, context: Context) -> Outcome:
    """End an engine that lives but is of no use, and start it anew as its cause allows."""
    ending = Ending(after=AFTER[stimulus.code], cause=stimulus.code)
    detail = context.reason(stimulus.code, stimulus.facts).detail
    return stopping(context, ending, stimulus.facts).with_evidence(detail=detail)


def data_inspected(stimulus: DataInspected, context: Context) -> Outcome | Dropped:
    """Remember which files the engine works on; end one that has lost them, for a restart would make a new instance."""
    session, launch = context.session, _launch_of(context.session)
    loss = None if launch.data is None else stimulus.data.loss_since(launch.data)
    if loss is not None:
        ending = Ending(after=AFTER[ReasonCode.ENGINE_DATA_LOST], cause=ReasonCode.ENGINE_DATA_LOST)
        return stopping(context, ending, DataLost(loss=loss)).with_evidence(loss=loss.value)
    if stimulus.data == launch.data:
        return Dropped(why="nothing new")
    return Outcome(session=replace(session, launch=replace(launch, data=stimulus.data)))


def supervision_failed(stimulus: SupervisionFailed, context: Context) -> Outcome:
    """End the engine if there is one, and give up for now."""
    del stimulus
    if context.session.launch is None:
        return failed(context, ReasonCode.INTERNAL_ERROR).then(Dequeue())
    return stopping(context, Ending(after=After.FAIL, cause=ReasonCode.INTERNAL_ERROR))


def process_exited(stimulus: ProcessExited, context: Context) -> Outcome:
    """Treat an exit that nobody asked for as a crash, whatever its code (OpenWA's own restart button exits 0)."""
    cause = ReasonCode.PORT_IN_USE if stimulus.port_was_taken else ReasonCode.ENGINE_EXITED
    outcome = crashed(context, cause, stimulus.exit)
    return replace(outcome, evidence={**outcome.evidence, "log_tail": stimulus.log_tail})


def engine_ended(stimulus: EngineEnded, context: Context) -> Outcome:
    """Go where the ending leads, now that the engine is proven dead."""
    return _after_end(context, stimulus.exit)


def _after_end(context: Context, ended: Exit) -> Outcome:
    session = context.session
    ending = session.ending
    assert ending is not None  # noqa: S101 (STOPPING always has an ending)
    evidence = {"exit_code": ended.exit_code, "signal": ended.signal}
    match ending.after:
        case After.DELETE:
            dead = replace(unlaunched(session), ending=ending)
            outcome = Outcome(session=dead, decision="remove its directory", evidence=evidence)
            return outcome.then(Forget(keep_data=ending.keep_data))
        case After.STAY_STOPPED:
            return Outcome(session=stopped(context, session, session.reason), decision="stopped", evidence=evidence)
        case After.BACK_OFF:
            return crashed(context, ending.cause, ended)
        case After.FAIL:
            facts = session.reason.facts if session.reason else None
            return failed(context, ending.cause, facts).with_evidence(**evidence)
        case After.START_AGAIN if ending.cause is ReasonCode.REQUESTED:
            return queued(context, session, ending.cause).with_evidence(**evidence)
        case After.START_AGAIN:
            return restarted(context, ending.cause).with_evidence(**evidence)
        case _:
            assert_never(ending.after)


def removal_hindered(stimulus: RemovalHindered, context: Context) -> Outcome | Dropped:
    """Say what stands in the way of a deletion, which goes on."""
    session, known = context.session, context.session.reason
    if session.ending is None or session.ending.after is not After.DELETE or session.launch is not None:
        return Dropped(why="nothing was to be removed yet")
    if known is not None and known.code is stimulus.code and (known.facts == stimulus.facts or _is_owned(known)):
        return Dropped(why="said already")
    reason = context.reason(stimulus.code, stimulus.facts)
    outcome = Outcome(session=replace(session, reason=reason), decision="try again to remove its directory")
    return outcome.with_evidence(detail=reason.detail)


def _is_owned(reason: Reason) -> bool:
    """Tell whether it says whose the directory is; how long for is no news."""
    return reason.code is ReasonCode.OWNED_ELSEWHERE


def directory_removed(stimulus: DirectoryRemoved, context: Context) -> Outcome | Dropped:
    """Report that nothing is left of the session."""
    del stimulus
    ending = context.session.ending
    if ending is None or ending.after is not After.DELETE or context.session.launch is not None:
        return Dropped(why="nothing was to be removed yet")
    return Outcome(session=context.session, is_gone=True).with_event(Announcement(type="session.deleted"))


def resumed(stimulus: Resumed, context: Context) -> Outcome | Dropped:
    """Take the session up where the last daemon left it: adopt a live engine, replace a dead one."""
    session = context.session
    match session.process:
        case ProcessState.STOPPED if session.desired is Desired.RUNNING:
            return queued(context, replace(session, restarts=Restarts()), ReasonCode.REQUESTED)
        case ProcessState.STOPPING:
            return _resume_ending(session, stimulus)
        case ProcessState.STARTING | ProcessState.RUNNING:
            return _adopt(context, stimulus) or _replace_dead(context, stimulus)
        case ProcessState.FAILED if _lacks_program(session):
            return Outcome(session=session, commands=(AwaitProgram(),))
        case ProcessState.BACKOFF | ProcessState.FAILED:
            return Outcome(session=session)  # nothing new, but taken up: its deadline is armed again
        case _:
            return Dropped(why="nothing to resume")


def _resume_ending(session: Session, stimulus: Resumed) -> Outcome:
    if session.launch is None:
        keep_data = session.ending is not None and session.ending.keep_data
        return Outcome(session=session, commands=(Forget(keep_data=keep_data),))
    launch = replace(session.launch, identity=session.launch.identity or stimulus.identity)
    return Outcome(session=replace(session, launch=launch), commands=(End(launch=launch),))


def _adopt(context: Context, stimulus: Resumed) -> Outcome | None:
    """Return the session with its live engine; None when there is none.

    The pairing window is opened anew: somebody may have scanned while nobody watched, and that is told only later.
    """
    session, at = context.session, context.moment.at
    if session.launch is None or not stimulus.is_alive:
        return None
    launch = replace(session.launch, identity=session.launch.identity or stimulus.identity)
    identity = _identity_of(launch)
    adopted = replace(
        session,
        launch=launch,
        started_at=session.started_at or launch.launched_at,
        pairing_started_at=None if session.pairing_started_at is None else at,
    )
    outcome = Outcome(session=adopted, decision="adopted").with_evidence(pid=identity.pid)
    return outcome.then(WatchExit(launch=launch, identity=identity), BringUp(launch=launch))


def _replace_dead(context: Context, stimulus: Resumed) -> Outcome:
    session = context.session
    if session.pid is None:
        outcome = queued(context, session, session.restarts.last_reason or ReasonCode.REQUESTED)
    elif stimulus.at_daemon_start:
        ended = stimulus.exit
        outcome = restarted(context, ReasonCode.ENGINE_EXITED)
        outcome = outcome.with_evidence(found_dead=True, exit_code=ended.exit_code, signal=ended.signal)
    else:
        return crashed(context, ReasonCode.ENGINE_EXITED, stimulus.exit)
    return outcome.then(Sweep(launch=session.launch)) if session.launch else outcome


def boot_timed_out(context: Context) -> Outcome:
    """End an engine that did not answer in time."""
    ending = Ending(after=After.BACK_OFF, cause=ReasonCode.BOOT_TIMEOUT)
    limit_s = context.policy.link.boot_timeout_s
    return stopping(context, ending, NotUp(limit_s=limit_s, refusal=_refusal_of(context.session.reason)))


def launch_timed_out(context: Context) -> Outcome:
    """Give this launch up; its process may have been started this very moment, so it is ended like any other."""
    facts = context.session.reason.facts if context.session.reason else None
    return stopping(context, Ending(after=AFTER[ReasonCode.HOST_LIMIT], cause=ReasonCode.HOST_LIMIT), facts)


def restart_due(context: Context) -> Outcome:
    """Ask for a start slot now that the pause is over."""
    return restarted(context, context.session.restarts.last_reason or ReasonCode.ENGINE_EXITED)


def forget_crashes(context: Context) -> Outcome:
    """Forget the crashes of an engine that has been steady for long enough."""
    session = context.session
    link_restarted = session.restarts.link_restarted and session.link is not LinkState.CONNECTED
    restarts = replace(session.restarts, streak=0, crashed_at=(), is_slow=False, link_restarted=link_restarted)
    return Outcome(session=replace(session, restarts=restarts), decision="steady again: earlier crashes forgotten")
