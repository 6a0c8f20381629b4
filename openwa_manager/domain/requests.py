"""What people ask for: start, stop, restart, log out, delete, change; each is done or refused as a whole."""

from dataclasses import replace

from openwa_manager.domain.commands import Dequeue, Forget
from openwa_manager.domain.moves import at_rest, going_down, queued
from openwa_manager.domain.scene import Draft, Refused, Scene, move
from openwa_manager.domain.session import After, Desired, Ending, ProcessState, ReasonCode, Restarts, Session
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
    if session.ending and session.ending.after is After.BE_DELETED:
        return Refused(detail="the session is being deleted")
    if session.ending and session.ending.after is not After.START_AGAIN:
        ending = replace(session.ending, after=After.START_AGAIN)
        return Draft(session=replace(session, ending=ending), decision="start again once the engine has ended")
    return Draft(session=session)


@move.register
def stop(stimulus: StopRequested, scene: Scene) -> Draft | Refused:
    """End the engine, or stay down; with `until_start` the desired state stays."""
    desired = scene.session.desired if stimulus.until_start else Desired.STOPPED
    session = replace(scene.session, desired=desired)
    match session.process:
        case ProcessState.STOPPED:
            return Draft(session=session)
        case ProcessState.STOPPING:
            return _stay_down(session)
        case ProcessState.BACKOFF | ProcessState.FAILED:
            return Draft(session=at_rest(scene, session), decision="stay stopped", commands=(Dequeue(),))
        case _:
            pass
    if session.launch is None:
        return Draft(session=at_rest(scene, session), decision="start taken back", commands=(Dequeue(),))
    ending = Ending(after=After.STAY_STOPPED, cause=ReasonCode.REQUESTED)
    return going_down(scene.of(session), ending, "stop requested")


def _stay_down(session: Session) -> Draft | Refused:
    assert session.ending is not None  # noqa: S101 (STOPPING always has an ending)
    if session.ending.after is After.BE_DELETED:
        return Draft(session=session)
    ending = replace(session.ending, after=After.STAY_STOPPED)
    return Draft(session=replace(session, ending=ending), decision="stay stopped once the engine has ended")


@move.register
def restart(stimulus: RestartRequested, scene: Scene) -> Draft | Refused:
    """End the engine if there is one and start it anew."""
    del stimulus
    book = Restarts(last_reason=ReasonCode.REQUESTED)
    session = replace(scene.session, desired=Desired.RUNNING, restarts=book)
    if session.ending and session.ending.after is After.BE_DELETED:
        return Refused(detail="the session is being deleted")
    if session.process in _IDLE:
        return queued(scene, session, ReasonCode.REQUESTED)
    if session.ending:
        ending = replace(session.ending, after=After.START_AGAIN)
        return Draft(session=replace(session, ending=ending), decision="start again once the engine has ended")
    if session.launch is None:
        return Draft(session=session)
    ending = Ending(after=After.START_AGAIN, cause=ReasonCode.REQUESTED)
    return going_down(scene.of(session), ending, "restart requested")


@move.register
def log_out(stimulus: LogoutRequested, scene: Scene) -> Draft:
    """End the engine of a device that was unlinked."""
    del stimulus
    ending = Ending(after=After.STAY_STOPPED, cause=ReasonCode.LOGGED_OUT)
    session = replace(scene.session, phone_number=None, push_name=None)
    return going_down(scene.of(session), ending, "logout requested")


@move.register
def delete(stimulus: DeleteRequested, scene: Scene) -> Draft:
    """End the engine if there is one, then remove the session."""
    session = replace(scene.session, desired=Desired.STOPPED)
    ending = Ending(after=After.BE_DELETED, cause=ReasonCode.REQUESTED, keep_data=stimulus.keep_data)
    if session.process is ProcessState.STOPPING:
        return Draft(session=replace(session, ending=ending), decision="delete once the engine has ended")
    draft = going_down(scene.of(session), ending, "deletion requested")
    if session.launch is None or session.process in _IDLE:
        return replace(draft, commands=(Dequeue(), Forget(keep_data=stimulus.keep_data)))
    return draft


@move.register
def change(stimulus: ChangeRequested, scene: Scene) -> Draft:
    """Keep the new choices for the next launch."""
    if stimulus.spec == scene.session.spec:
        return Draft(session=scene.session)
    return Draft(session=replace(scene.session, spec=stimulus.spec), decision="settings changed for the next launch")
