"""What the world does to an engine's process: slots, launches, exits, endings and the deadlines of a process."""

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from openwa_manager.domain.commands import BringUp, Dequeue, End, Forget, Spawn, Sweep, WatchExit
from openwa_manager.domain.transition import at_rest, crashed, failed, going_down, queued, restarted, unlaunched
from openwa_manager.domain.restart import AFTER
from openwa_manager.domain.context import Announcement, Draft, Dropped, Scene, move
from openwa_manager.domain.session import (
    After,
    Desired,
    Ending,
    Exit,
    Launch,
    LinkState,
    ProcessState,
    ReasonCode,
    Restarts,
    Session,
)
from openwa_manager.domain.stimuli import (
    BringUpRefused,
    Condemned,
    CredentialsRestored,
    Deadline,
    DeadlinePassed,
    DirectoryRemoved,
    EngineEnded,
    EngineFaulted,
    EngineReady,
    Launched,
    LaunchFailed,
    ProcessExited,
    Resumed,
    SlotDelayed,
    SlotGranted,
)

#: What is said of a launch until more is known of it.
STARTING = "starting"


@move.register
def slot_granted(stimulus: SlotGranted, scene: Scene) -> Draft | Dropped:
    """Record the launch that may now begin."""
    if scene.session.launch is not None:
        return Dropped(why="a launch is already under way")
    launch = stimulus.launch
    session = replace(
        scene.session,
        launch=launch,
        launch_count=launch.number,
        reason=scene.reason(launch.cause, STARTING),
    )
    evidence = {"launch": launch.number, "port": launch.port, "cause": launch.cause.value}
    return Draft(session=session, decision="launch", commands=(Spawn(launch=launch),), evidence=evidence)


@move.register
def slot_delayed(stimulus: SlotDelayed, scene: Scene) -> Draft | Dropped:
    """Say what the host is short of while the session waits."""
    reason = scene.session.reason
    if scene.session.launch is not None or (reason and reason.code is stimulus.code):
        return Dropped(why="already known")
    delayed = scene.reason(stimulus.code, stimulus.detail)
    return Draft(session=replace(scene.session, reason=delayed), decision=f"start delayed: {stimulus.code}")


@move.register
def launched(stimulus: Launched, scene: Scene) -> Draft:
    """Record the process that was started; one whose end was asked for meanwhile is ended."""
    session = scene.session
    launch = replace(_launch_of(session), identity=stimulus.identity)
    session = replace(session, launch=launch, started_at=scene.moment.at)
    evidence = {"pid": stimulus.identity.pid, "launch": launch.number}
    watch = WatchExit(launch=launch, identity=stimulus.identity)
    if session.process is ProcessState.STOPPING:
        return Draft(session=session, decision="end it", evidence=evidence).then(End(launch=launch))
    draft = Draft(session=session, decision="wait until it answers", evidence=evidence).then(
        watch, BringUp(launch=launch)
    )
    if session.restarts.last_reason is None:
        return draft
    data = {
        "pid": stimulus.identity.pid,
        "attempt": session.restarts.streak,
        "reason": session.restarts.last_reason.value,
    }
    return draft.telling(Announcement(type="session.restarted", data=data))


def _launch_of(session: Session) -> Launch:
    assert session.launch is not None  # noqa: S101 (the caller has compared its launch id)
    return session.launch


@move.register
def launch_failed(stimulus: LaunchFailed, scene: Scene) -> Draft:
    """Give up for now, or take the asked-for end as reached."""
    if scene.session.process is ProcessState.STOPPING:
        return _after_end(scene, Exit())
    return failed(scene, stimulus.code, stimulus.detail)


@move.register
def credentials_restored(stimulus: CredentialsRestored, scene: Scene) -> Draft:
    """Say that the link was saved from a broken file."""
    del stimulus
    reason = scene.reason(ReasonCode.CREDENTIALS_RESTORED, "the credentials were broken; the kept copy was put back")
    return Draft(session=replace(scene.session, reason=reason), decision="credentials restored from the kept copy")


@move.register
def bring_up_refused(stimulus: BringUpRefused, scene: Scene) -> Draft | Dropped:
    """Say what stands in the way of an engine that is coming up."""
    launch, reason = _launch_of(scene.session), scene.session.reason
    if reason is not None and reason.detail == stimulus.detail:
        return Dropped(why="already known")
    told = replace(scene.session, reason=scene.reason(launch.cause, stimulus.detail))
    return Draft(session=told, decision="not up yet").noting(detail=stimulus.detail)


@move.register
def engine_ready(stimulus: EngineReady, scene: Scene) -> Draft | Dropped:
    """Count the engine as running."""
    session = replace(scene.session, inner_id=stimulus.inner_id or scene.session.inner_id)
    if session.process is ProcessState.STARTING:
        session = replace(session, process=ProcessState.RUNNING, reason=None, last_seen_at=scene.moment.at)
        return Draft(session=session, decision="running")
    return Dropped(why="already running") if session == scene.session else Draft(session=session)


@move.register
def engine_faulted(stimulus: EngineFaulted, scene: Scene) -> Draft:
    """End an engine that lives but is of no use, and start it anew as its cause allows."""
    ending = Ending(after=AFTER[stimulus.code], cause=stimulus.code)
    return replace(going_down(scene, ending, stimulus.detail), evidence={"detail": stimulus.detail})


@move.register
def condemned(stimulus: Condemned, scene: Scene) -> Draft:
    """End the engine if there is one, and give up for now."""
    if scene.session.launch is None:
        return failed(scene, ReasonCode.INTERNAL_ERROR, stimulus.detail).then(Dequeue())
    return going_down(scene, Ending(after=After.FAIL, cause=ReasonCode.INTERNAL_ERROR), stimulus.detail)


@move.register
def process_exited(stimulus: ProcessExited, scene: Scene) -> Draft:
    """Treat an exit that nobody asked for as a crash, whatever its code (OpenWA's own restart button exits 0)."""
    cause = ReasonCode.PORT_IN_USE if "EADDRINUSE" in stimulus.log_tail else ReasonCode.ENGINE_EXITED
    draft = crashed(scene, cause, stimulus.exit)
    return replace(draft, evidence={**draft.evidence, "log_tail": stimulus.log_tail})


@move.register
def engine_ended(stimulus: EngineEnded, scene: Scene) -> Draft:
    """Go where the ending leads, now that the engine is proven dead."""
    return _after_end(scene, stimulus.exit)


def _after_end(scene: Scene, ended: Exit) -> Draft:
    session = scene.session
    ending = session.ending
    assert ending is not None  # noqa: S101 (STOPPING always has an ending)
    evidence = {"exit_code": ended.exit_code, "signal": ended.signal}
    match ending.after:
        case After.BE_DELETED:
            dead = replace(unlaunched(session), ending=ending)
            draft = Draft(session=dead, decision="remove its directory", evidence=evidence)
            return draft.then(Forget(keep_data=ending.keep_data))
        case After.STAY_STOPPED:
            return Draft(session=at_rest(scene, session, session.reason), decision="stopped", evidence=evidence)
        case After.BACK_OFF:
            return crashed(scene, ending.cause, ended)
        case After.FAIL:
            detail = session.reason.detail if session.reason else ""
            return failed(scene, ending.cause, detail).noting(**evidence)
        case After.START_AGAIN if ending.cause is ReasonCode.REQUESTED:
            return queued(scene, session, ending.cause).noting(**evidence)
        case After.START_AGAIN:
            return restarted(scene, ending.cause).noting(**evidence)
        case _:
            assert_never(ending.after)


@move.register
def directory_removed(stimulus: DirectoryRemoved, scene: Scene) -> Draft | Dropped:
    """End the session's story."""
    del stimulus
    ending = scene.session.ending
    if ending is None or ending.after is not After.BE_DELETED or scene.session.launch is not None:
        return Dropped(why="nothing was to be removed yet")
    return Draft(session=scene.session, is_gone=True).telling(Announcement(type="session.deleted"))


@move.register
def resumed(stimulus: Resumed, scene: Scene) -> Draft | Dropped:
    """Take the session up where the last daemon left it: adopt a live engine, replace a dead one."""
    session = scene.session
    match session.process:
        case ProcessState.STOPPED if session.desired is Desired.RUNNING:
            return queued(scene, replace(session, restarts=Restarts()), ReasonCode.REQUESTED)
        case ProcessState.STOPPING:
            return _resume_ending(session, stimulus)
        case ProcessState.STARTING | ProcessState.RUNNING:
            return _adopt(scene, stimulus) or _replace_dead(scene, stimulus)
        case ProcessState.BACKOFF | ProcessState.FAILED:
            return Draft(session=session)  # nothing new, but taken up: its deadline is armed again
        case _:
            return Dropped(why="nothing to resume")


def _resume_ending(session: Session, stimulus: Resumed) -> Draft:
    if session.launch is None:
        keep_data = session.ending is not None and session.ending.keep_data
        return Draft(session=session, commands=(Forget(keep_data=keep_data),))
    launch = replace(session.launch, identity=session.launch.identity or stimulus.identity)
    return Draft(session=replace(session, launch=launch), commands=(End(launch=launch),))


def _adopt(scene: Scene, stimulus: Resumed) -> Draft | None:
    """Return the session with its live engine; None when there is none.

    The pairing window is opened anew: somebody may have scanned while nobody watched, and that is told only later.
    """
    session, at = scene.session, scene.moment.at
    if session.launch is None or not stimulus.is_alive:
        return None
    identity = session.launch.identity or stimulus.identity
    assert identity is not None  # noqa: S101 (alive means that there is a process)
    launch = replace(session.launch, identity=identity)
    adopted = replace(
        session,
        launch=launch,
        started_at=session.started_at or launch.launched_at,
        pairing_started_at=None if session.pairing_started_at is None else at,
    )
    draft = Draft(session=adopted, decision="adopted").noting(pid=identity.pid)
    return draft.then(WatchExit(launch=launch, identity=identity), BringUp(launch=launch))


def _replace_dead(scene: Scene, stimulus: Resumed) -> Draft:
    session = scene.session
    if session.pid is None:
        draft = queued(scene, session, session.restarts.last_reason or ReasonCode.REQUESTED)
    elif stimulus.host_rebooted:
        draft = restarted(scene, ReasonCode.ENGINE_EXITED).noting(host_rebooted=True)
    else:
        return crashed(scene, ReasonCode.ENGINE_EXITED, stimulus.exit)
    return draft.then(Sweep(launch=session.launch)) if session.launch else draft


@move.register
def deadline_passed(stimulus: DeadlinePassed, scene: Scene) -> Draft | Dropped:
    """Do what was to be done when this deadline rings."""
    return ON_DEADLINE[stimulus.deadline](scene)


def _boot_timed_out(scene: Scene) -> Draft:
    ending = Ending(after=After.BACK_OFF, cause=ReasonCode.BOOT_TIMEOUT)
    late = f"not up within {scene.policy.link.boot_timeout_s:.0f} s"
    known = scene.session.reason.detail if scene.session.reason else STARTING
    return going_down(scene, ending, late if known == STARTING else f"{late}: {known}")


def _try_again(scene: Scene) -> Draft:
    return restarted(scene, scene.session.restarts.last_reason or ReasonCode.ENGINE_EXITED)


def _forgive(scene: Scene) -> Draft:
    session = scene.session
    link_restarted = session.restarts.link_restarted and session.link is not LinkState.CONNECTED
    book = replace(session.restarts, streak=0, crashed_at=(), is_slow=False, link_restarted=link_restarted)
    return Draft(session=replace(session, restarts=book), decision="steady again: earlier crashes forgotten")


#: Deadline -> its move; the link's deadlines are added by `link`.
ON_DEADLINE: dict[Deadline, Callable[[Scene], Draft | Dropped]] = {
    Deadline.BOOT: _boot_timed_out,
    Deadline.BACKOFF: _try_again,
    Deadline.SLOW_RETRY: _try_again,
    Deadline.STEADY: _forgive,
}
