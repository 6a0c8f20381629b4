"""What people ask for: start, stop, restart, log out, delete, change; each is done or refused as a whole."""

from dataclasses import replace

from openwa_manager.domain.commands import Dequeue, Forget
from openwa_manager.domain.transition import STICKY, at_rest, going_down, queued, unlaunched, unlinked
from openwa_manager.domain.context import Draft, Refused, Scene, move
from openwa_manager.domain.session import After, Desired, Ending, LinkState, ProcessState, ReasonCode, Restarts, Session
from openwa_manager.domain.stimuli import (
    ChangeRequested,
    DeleteRequested,
    LogoutRequested,
    RestartRequested,
    StartRequested,
    StopRequested,
)

_IDLE = (ProcessState.STOPPED, ProcessState.BACKOFF, ProcessState.FAILED)


@move.register
def start(stimulus: StartRequested, scene: Scene) -> Draft | Refused:
    """Queue a start; an engine that is up stays as it is, one going down comes up again."""
    del stimulus
    session = replace(scene.session, desired=Desired.RUNNING)
    if session.process in _IDLE:
        return queued(scene, replace(session, restarts=Restarts()), ReasonCode.REQUESTED)
    if session.ending is None or session.ending.after is After.START_AGAIN:
        return Draft(session=session)
    return _start_after_end(session, session.ending, Restarts())


def _start_after_end(session: Session, ending: Ending, book: Restarts) -> Draft | Refused:
    if ending.after is After.BE_DELETED:
        return Refused(detail="the session is being deleted")
    ending = Ending(after=After.START_AGAIN, cause=ReasonCode.REQUESTED)
    coming = replace(session, ending=ending, restarts=book)
    return Draft(session=coming, decision="start again once the engine has ended")


@move.register
def stop(stimulus: StopRequested, scene: Scene) -> Draft:
    """End the engine, or stay down; with `until_start` the desired state stays."""
    desired = scene.session.desired if stimulus.until_start else Desired.STOPPED
    session = replace(scene.session, desired=desired)
    match session.process:
        case ProcessState.STOPPED:
            return Draft(session=session)
        case ProcessState.STOPPING:
            return _stay_down(scene.of(session))
        case ProcessState.BACKOFF | ProcessState.FAILED:
            return Draft(session=at_rest(scene, session), decision="stay stopped", commands=(Dequeue(),))
        case _:
            pass
    if session.launch is None:
        return Draft(session=at_rest(scene, session), decision="start taken back", commands=(Dequeue(),))
    ending = Ending(after=After.STAY_STOPPED, cause=ReasonCode.REQUESTED)
    return going_down(scene.of(session), ending, "stop requested")


def _stay_down(scene: Scene) -> Draft:
    session = scene.session
    if session.ending and session.ending.after in (After.BE_DELETED, After.STAY_STOPPED):
        return Draft(session=session)
    ending = Ending(after=After.STAY_STOPPED, cause=ReasonCode.REQUESTED)
    reason = session.reason if session.link in STICKY else scene.reason(ReasonCode.REQUESTED, "stop requested")
    session = replace(session, ending=ending, reason=reason)
    return Draft(session=session, decision="stay stopped once the engine has ended")


@move.register
def restart(stimulus: RestartRequested, scene: Scene) -> Draft | Refused:
    """End the engine if there is one and start it anew."""
    del stimulus
    book = Restarts(last_reason=ReasonCode.REQUESTED)
    session = replace(scene.session, desired=Desired.RUNNING, restarts=book)
    if session.process in _IDLE:
        return queued(scene, session, ReasonCode.REQUESTED)
    if session.ending:
        return _start_after_end(session, session.ending, book)
    if session.launch is None:
        return Draft(session=session, decision="a start is queued already")
    ending = Ending(after=After.START_AGAIN, cause=ReasonCode.REQUESTED)
    return going_down(scene.of(session), ending, "restart requested")


@move.register
def log_out(stimulus: LogoutRequested, scene: Scene) -> Draft | Refused:
    """End the engine of a device that was unlinked; the engine may have told of it, or have gone, meanwhile."""
    del stimulus
    session, detail = scene.session, "logout requested"
    if session.link is LinkState.LOGGED_OUT or (session.ending and session.ending.after is After.BE_DELETED):
        return Draft(session=session)
    match session.process:
        case ProcessState.RUNNING | ProcessState.STOPPING:
            return going_down(scene, Ending(after=After.STAY_STOPPED, cause=ReasonCode.LOGGED_OUT), detail)
        case ProcessState.BACKOFF | ProcessState.FAILED:
            session = replace(unlinked(session), link=LinkState.LOGGED_OUT, desired=Desired.STOPPED)
            session = at_rest(scene, session, scene.reason(ReasonCode.LOGGED_OUT, detail))
            return Draft(session=session, decision="stay stopped")
        case _:
            return Refused(detail="no engine runs")


@move.register
def delete(stimulus: DeleteRequested, scene: Scene) -> Draft:
    """End the engine if there is one, then remove the session."""
    session = replace(scene.session, desired=Desired.STOPPED)
    ending = Ending(after=After.BE_DELETED, cause=ReasonCode.REQUESTED, keep_data=stimulus.keep_data)
    if session.launch is not None:
        if session.process is ProcessState.STOPPING:
            return Draft(session=replace(session, ending=ending), decision="delete once the engine has ended")
        return going_down(scene.of(session), ending, "deletion requested")
    if session.process is ProcessState.STOPPING:
        return Draft(session=session)  # its directory is being removed
    draft = going_down(scene.of(unlaunched(session)), ending, "deletion requested")
    return replace(draft, commands=(Dequeue(), Forget(keep_data=stimulus.keep_data)))


@move.register
def change(stimulus: ChangeRequested, scene: Scene) -> Draft:
    """Keep the new choices for the next launch."""
    if stimulus.spec == scene.session.spec:
        return Draft(session=scene.session)
    return Draft(session=replace(scene.session, spec=stimulus.spec), decision="settings changed for the next launch")
