"""Building blocks of the transitions: wait for a slot, go down, stop, crash, give up."""

from dataclasses import replace

from openwa_manager.domain.session.commands import End, Enqueue, ForgetCredentials, RemoveQr, Sweep
from openwa_manager.domain.session.context import Announcement, Context, Outcome
from openwa_manager.domain.session.reasons import Exited, Facts, Queued, Reason, ReasonCode, Requested, RequestedAction
from openwa_manager.domain.session.restart import AFTER, NOT_RETRIED, after_crash
from openwa_manager.domain.session.session import (
    STICKY_LINKS,
    After,
    Desired,
    Ending,
    Exit,
    LinkState,
    ProcessState,
    Session,
)

#: The sticky link that a cause leaves behind.
_LINK_AFTER = {
    ReasonCode.BANNED: LinkState.BANNED,
    ReasonCode.LOGGED_OUT: LinkState.LOGGED_OUT,
    ReasonCode.WRONG_NUMBER: LinkState.LOGGED_OUT,
}


def unlaunched(session: Session) -> Session:
    """Return the session with nothing left of its last launch but the numbers it gave out."""
    return replace(
        session,
        link=session.link if session.link in STICKY_LINKS else LinkState.UNKNOWN,
        launch=None,
        ending=None,
        qr=None,
        qr_attempts=0,
        pairing_started_at=None,
        started_at=None,
        connected_at=None,
        restarts=replace(session.restarts, next_at=None),
    )


def unlinked(session: Session) -> Session:
    """Return the session with nothing left of its account."""
    return replace(session, phone_number=None, push_name=None, last_connected_at=None)


def queued(context: Context, session: Session, cause: ReasonCode) -> Outcome:
    """Return the session waiting at the start gate, with nothing left of its last launch."""
    waiting = replace(
        unlaunched(session),
        process=ProcessState.STARTING,
        link=LinkState.UNKNOWN,
        reason=context.reason(ReasonCode.QUEUED, Queued(cause=cause)),
    )
    return Outcome(session=waiting, decision="start queued", commands=(Enqueue(cause=cause),))


def restarted(context: Context, cause: ReasonCode) -> Outcome:
    """Return the session waiting for a restart that nobody asked for."""
    restarts = context.session.restarts
    restarts = replace(restarts, count=restarts.count + 1, last_reason=cause)
    return queued(context, replace(context.session, restarts=restarts), cause)


def stopping(context: Context, ending: Ending, facts: Facts | None = None) -> Outcome:
    """Return the session on its way down for the ending's cause; an engine not yet spawned is ended once it is."""
    link = _LINK_AFTER.get(ending.cause, LinkState.UNKNOWN)
    session = unlinked(context.session) if link is LinkState.LOGGED_OUT else context.session
    stays_down = AFTER[ending.cause] is After.STAY_STOPPED and ending.cause is not ReasonCode.REQUESTED
    going = replace(
        session,
        process=ProcessState.STOPPING,
        link=link,
        ending=ending,
        reason=context.reason(ending.cause, facts),
        desired=Desired.STOPPED if stays_down else session.desired,
        qr=None,
        qr_attempts=0,
        pairing_started_at=None,
        connected_at=None,
    )
    outcome = Outcome(session=going, decision=f"end the engine: {ending.cause}", commands=(RemoveQr(),))
    if link is LinkState.LOGGED_OUT:
        outcome = outcome.then(ForgetCredentials())
    return outcome.then(End(launch=session.launch)) if session.launch and session.launch.identity else outcome


def stopped(context: Context, session: Session, reason: Reason | None = None) -> Session:
    """Return the session stopped, with no launch; the reason says why."""
    return replace(
        unlaunched(session),
        process=ProcessState.STOPPED,
        reason=reason or context.reason(ReasonCode.REQUESTED, Requested(action=RequestedAction.STOP)),
    )


def crashed(context: Context, cause: ReasonCode, ended: Exit) -> Outcome:
    """Count a crash: back off, or give up for now when it loops; then sweep up what the engine left behind."""
    session = context.session
    crash = after_crash(session.restarts, cause, context.moment.at, context.moment.chance, context.policy.restart)
    why = context.reason(cause, _facts_of(session, cause, ended))
    down = replace(
        unlaunched(session),
        process=ProcessState.FAILED if crash.gave_up else ProcessState.BACKOFF,
        restarts=crash.restarts,
        reason=replace(why, code=ReasonCode.CRASH_LOOP) if crash.gave_up else why,
    )
    evidence = {"pid": session.pid, "exit_code": ended.exit_code, "signal": ended.signal, "cause": cause.value}
    data = {
        "pid": session.pid,
        "exit_code": ended.exit_code,
        "signal": ended.signal,
        "attempt": crash.restarts.streak,
        "delay_s": round(crash.delay_s, 3),
        "reason": cause.value,
        "reason_detail": why.detail,
    }
    decision = f"{'crash loop: next try' if crash.gave_up else 'restart'} in {crash.delay_s:.1f} s"
    outcome = Outcome(session=down, decision=decision, commands=(RemoveQr(),), evidence=evidence)
    outcome = outcome.with_event(Announcement(type="session.crashed", data=data))
    return outcome.then(Sweep(launch=session.launch)) if session.launch else outcome


def _facts_of(session: Session, cause: ReasonCode, ended: Exit) -> Facts | None:
    if session.ending is not None and session.reason is not None:
        return session.reason.facts  # why we ended it says more than how it then went
    port_was_taken = cause is ReasonCode.PORT_IN_USE
    return Exited(exit_code=ended.exit_code, signal=ended.signal, port_was_taken=port_was_taken)


def failed(context: Context, code: ReasonCode, facts: Facts | None = None) -> Outcome:
    """Give up for now; one more try comes with each slow retry, unless only a person can go on."""
    delay_s = None if code in NOT_RETRIED else context.policy.restart.slow_retry_s
    next_at = None if delay_s is None else context.moment.at + delay_s
    reason = context.reason(code, facts)
    session = replace(
        unlaunched(context.session),
        process=ProcessState.FAILED,
        reason=reason,
        restarts=replace(context.session.restarts, last_reason=code, next_at=next_at, is_slow=True),
    )
    decision = "give up until it is started" if delay_s is None else f"give up, next try in {delay_s:.0f} s"
    # Whoever else runs an engine there may show its code.
    commands = () if code is ReasonCode.OWNED_ELSEWHERE else (RemoveQr(),)
    return Outcome(session=session, decision=decision, commands=commands).with_evidence(detail=reason.detail)
