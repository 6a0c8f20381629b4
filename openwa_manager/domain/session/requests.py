"""What people ask for: start, stop, restart, log out, delete, change; each is done or refused as a whole."""

from dataclasses import replace

from openwa_manager.domain.session.commands import Dequeue, Forget
from openwa_manager.domain.session.context import Context, Outcome, Refused
from openwa_manager.domain.session.link import is_paired
from openwa_manager.domain.session.numbers import is_same_number
from openwa_manager.domain.session.reasons import ReasonCode, Requested, RequestedAction
from openwa_manager.domain.session.session import (
    STICKY_LINKS,
    After,
    Desired,
    Ending,
    LinkState,
    ProcessState,
    Restarts,
    Session,
)
from openwa_manager.domain.session.stimuli import (
    ChangeRequested,
    DeleteRequested,
    LogoutRequested,
    PairingRequested,
    RestartRequested,
    StartRequested,
    StopRequested,
)
from openwa_manager.domain.session.transition import queued, stopped, stopping, unlaunched, unlinked

_IDLE = (ProcessState.STOPPED, ProcessState.BACKOFF, ProcessState.FAILED)


def start(stimulus: StartRequested, context: Context) -> Outcome | Refused:
    """Queue a start; an engine that is up stays as it is, one going down comes up again."""
    del stimulus
    session = replace(context.session, desired=Desired.RUNNING)
    if session.process in _IDLE:
        is_linked_wrong = session.reason is not None and session.reason.code is ReasonCode.WRONG_NUMBER
        wanted = session.wanted_number if is_linked_wrong else None  # it may have been impossible to unlink
        return queued(context, replace(session, restarts=Restarts(), wanted_number=wanted), ReasonCode.REQUESTED)
    if session.ending is None or session.ending.after is After.START_AGAIN:
        return Outcome(session=session)
    return _start_after_end(session, session.ending, Restarts())


def _start_after_end(session: Session, ending: Ending, restarts: Restarts) -> Outcome | Refused:
    if ending.after is After.DELETE:
        return Refused(detail="the session is being deleted")
    ending = Ending(after=After.START_AGAIN, cause=ReasonCode.REQUESTED)
    coming = replace(session, ending=ending, restarts=restarts)
    return Outcome(session=coming, decision="start again once the engine has ended")


def pair(stimulus: PairingRequested, context: Context) -> Outcome | Refused:
    """Start the engine so that it shows codes, and keep in mind who may be linked by them.

    Whoever asks has the whole time for it, also if the engine shows codes already.
    """
    session = context.session
    if session.link is LinkState.CONNECTED:
        return Refused(detail="it is linked already")
    wanted, known = stimulus.phone_number, session.phone_number if is_paired(session) else None
    if wanted is not None and known is not None and not is_same_number(wanted, known):
        return Refused(detail="it is linked to another number: log it out first")
    outcome = start(StartRequested(), context)
    if isinstance(outcome, Refused):
        return outcome
    began_at = None if session.pairing_started_at is None else context.moment.at
    pairing = replace(outcome.session, wanted_number=wanted, pairing_started_at=began_at)
    return replace(outcome, session=pairing, decision=outcome.decision or "show codes")


def stop(stimulus: StopRequested, context: Context) -> Outcome:
    """End the engine, or stay down; with `until_start` the desired state stays."""
    desired = context.session.desired if stimulus.until_start else Desired.STOPPED
    session = replace(context.session, desired=desired)
    match session.process:
        case ProcessState.STOPPED:
            return Outcome(session=session)
        case ProcessState.STOPPING:
            return _stay_down(context.of(session))
        case ProcessState.BACKOFF | ProcessState.FAILED:
            return Outcome(session=stopped(context, session), decision="stay stopped", commands=(Dequeue(),))
        case _:
            pass
    if session.launch is None:
        return Outcome(session=stopped(context, session), decision="start taken back", commands=(Dequeue(),))
    ending = Ending(after=After.STAY_STOPPED, cause=ReasonCode.REQUESTED)
    return stopping(context.of(session), ending, Requested(action=RequestedAction.STOP))


def _stay_down(context: Context) -> Outcome:
    session = context.session
    if session.ending and session.ending.after in (After.DELETE, After.STAY_STOPPED):
        return Outcome(session=session)
    ending = Ending(after=After.STAY_STOPPED, cause=ReasonCode.REQUESTED)
    requested = context.reason(ReasonCode.REQUESTED, Requested(action=RequestedAction.STOP))
    reason = session.reason if session.link in STICKY_LINKS else requested
    session = replace(session, ending=ending, reason=reason)
    return Outcome(session=session, decision="stay stopped once the engine has ended")


def restart(stimulus: RestartRequested, context: Context) -> Outcome | Refused:
    """End the engine if there is one and start it anew."""
    del stimulus
    restarts = Restarts(last_reason=ReasonCode.REQUESTED)
    session = replace(context.session, desired=Desired.RUNNING, restarts=restarts)
    if session.process in _IDLE:
        return queued(context, session, ReasonCode.REQUESTED)
    if session.ending:
        return _start_after_end(session, session.ending, restarts)
    if session.launch is None:
        return Outcome(session=session, decision="a start is queued already")
    ending = Ending(after=After.START_AGAIN, cause=ReasonCode.REQUESTED)
    return stopping(context.of(session), ending, Requested(action=RequestedAction.RESTART))


def log_out(stimulus: LogoutRequested, context: Context) -> Outcome | Refused:
    """End the engine of a device that was unlinked; the engine may have told of it, or have gone, meanwhile."""
    del stimulus
    session, facts = context.session, Requested(action=RequestedAction.LOGOUT)
    if session.link is LinkState.LOGGED_OUT or (session.ending and session.ending.after is After.DELETE):
        return Outcome(session=session)
    match session.process:
        case ProcessState.RUNNING | ProcessState.STOPPING:
            return stopping(context, Ending(after=After.STAY_STOPPED, cause=ReasonCode.LOGGED_OUT), facts)
        case ProcessState.BACKOFF | ProcessState.FAILED:
            session = replace(unlinked(session), link=LinkState.LOGGED_OUT, desired=Desired.STOPPED)
            session = stopped(context, session, context.reason(ReasonCode.LOGGED_OUT, facts))
            return Outcome(session=session, decision="stay stopped")
        case _:
            return Refused(detail="no engine runs")


def delete(stimulus: DeleteRequested, context: Context) -> Outcome:
    """End the engine if there is one, then remove the session."""
    session, facts = replace(context.session, desired=Desired.STOPPED), Requested(action=RequestedAction.DELETION)
    ending = Ending(after=After.DELETE, cause=ReasonCode.REQUESTED, keep_data=stimulus.keep_data)
    if session.launch is not None:
        if session.process is ProcessState.STOPPING:
            return Outcome(session=replace(session, ending=ending), decision="delete once the engine has ended")
        return stopping(context.of(session), ending, facts)
    if session.process is ProcessState.STOPPING:
        return Outcome(session=session)  # its directory is being removed
    outcome = stopping(context.of(unlaunched(session)), ending, facts)
    return replace(outcome, commands=(Dequeue(), Forget(keep_data=stimulus.keep_data)))


def change(stimulus: ChangeRequested, context: Context) -> Outcome:
    """Keep the new choices for the next launch."""
    if stimulus.spec == context.session.spec:
        return Outcome(session=context.session)
    return Outcome(
        session=replace(context.session, spec=stimulus.spec), decision="settings changed for the next launch"
    )
