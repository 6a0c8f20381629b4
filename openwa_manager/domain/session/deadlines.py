"""Which deadlines run in which state, and when they expire; derived from the session, never stored."""

from collections.abc import Iterator, Mapping

from openwa_manager.domain.session.launch_facts import Starting
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import LinkState, ProcessState, Session
from openwa_manager.domain.session.stimuli import Deadline
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a stimulus is decided on: wall time, boot clock, and a draw in [0, 1) for whatever is left to chance.

    `is_offline` tells that the host itself has no network, so that no session can be blamed for its link; `has_slept`
    that it slept since the moment before, so that no engine can be blamed for the time that first_expired.
    """

    at: float
    boot_s: float
    chance: float = 0.5
    is_offline: bool = False
    has_slept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """A running deadline: it expires at `due_boot_s`; `anchor` names what it was armed for, another arms it anew."""

    anchor: str
    due_boot_s: float


Deadlines = Mapping[Deadline, Armed]

#: Deadlines that blame an engine or a link, if only for being slow. One that is seen to expire more than MAX_LATE_S
#: late means that we were asleep, not that it was missed.
FAULT_DEADLINES = frozenset(
    {
        Deadline.SLOW,
        Deadline.LAUNCH,
        Deadline.BOOT,
        Deadline.INITIALIZING,
        Deadline.AUTHENTICATING,
        Deadline.LINK_DOWN,
        Deadline.REPLACED,
    }
)
MAX_LATE_S = 5.0
#: After how long a session that is coming up, and of which nothing is heard, says what it waits for.
SLOW_S = 10.0


def rearm(running: Deadlines, session: Session, moment: Moment, policy: Policy) -> Deadlines:
    """Return the deadlines that apply to this session now: those that did before run on, the others start or stop."""
    armed: dict[Deadline, Armed] = {}
    for deadline, anchor, left_s in _timers(session, moment, policy):
        kept = running.get(deadline)
        if kept is None or kept.anchor != anchor:
            kept = Armed(anchor=anchor, due_boot_s=moment.boot_s + max(0.0, left_s))
        armed[deadline] = kept
    return armed


def applies(session: Session, deadline: Deadline, moment: Moment, policy: Policy) -> bool:
    """Tell whether this deadline means anything in the session's present state."""
    return any(each == deadline for each, _, _ in _timers(session, moment, policy))


def rearm_missed(running: Deadlines, session: Session, moment: Moment, policy: Policy) -> Deadlines:
    """Return the deadlines with those armed anew that blame somebody but expired too late, or ran while the host slept.

    Nobody was awake to see them met.
    """
    kept = {
        deadline: armed
        for deadline, armed in running.items()
        if deadline not in FAULT_DEADLINES or not (moment.has_slept or moment.boot_s - armed.due_boot_s > MAX_LATE_S)
    }
    return running if len(kept) == len(running) else rearm(kept, session, moment, policy)


def first_expired(running: Deadlines, boot_s: float) -> Deadline | None:
    """Return the deadline that expired first of those that have expired by now; None while all still run."""
    expired = [(armed.due_boot_s, deadline) for deadline, armed in running.items() if armed.due_boot_s <= boot_s]
    return min(expired, key=lambda each: (each[0], each[1].value))[1] if expired else None


#: A deadline that applies, its anchor, and how long it has left.
_Timer = tuple[Deadline, str, float]


# A wall clock that was set back must not make a wait longer than it was meant to be: hence the `min` below.
def _timers(session: Session, moment: Moment, policy: Policy) -> Iterator[_Timer]:
    at = moment.at
    match session.process:
        case ProcessState.STARTING:
            yield from _timers_of_silence(session)
            if session.pid is not None:
                yield Deadline.BOOT, f"{session.launch_count}", policy.link.boot_timeout_s
            elif session.launch and session.reason and session.reason.code is ReasonCode.HOST_LIMIT:
                yield Deadline.LAUNCH, f"{session.launch_count}", policy.link.boot_timeout_s
            yield from _timers_of_pairing(session, moment, policy)
        case ProcessState.BACKOFF | ProcessState.FAILED if session.restarts.next_at is not None:
            deadline = Deadline.BACKOFF if session.process is ProcessState.BACKOFF else Deadline.SLOW_RETRY
            left_s, restart = session.restarts.next_at - at, policy.restart
            limit_s = restart.pause_max_s if deadline is Deadline.BACKOFF else restart.slow_retry_s
            yield deadline, f"{session.restarts.next_at}", min(left_s, limit_s)
        case ProcessState.RUNNING:
            yield from _timers_of_silence(session)
            if not moment.is_offline:
                yield from _timers_of_link(session, policy)
            yield from _timers_of_pairing(session, moment, policy)
            yield from _timers_of_restarts(session, policy)
        case _:
            return


def _timers_of_silence(session: Session) -> Iterator[_Timer]:
    """Yield when to say what the session waits for; it says so already while it has another reason than its start."""
    reason = session.reason
    if session.launch is None:
        return
    if session.process is ProcessState.RUNNING:
        has_news = session.link is not LinkState.UNKNOWN or reason is not None
    else:
        has_news = reason is None or reason.code is not session.launch.cause or reason.facts not in (None, Starting())
    if not has_news:
        yield Deadline.SLOW, f"{session.launch_count} {session.process} {session.pid}", SLOW_S


def _timers_of_restarts(session: Session, policy: Policy) -> Iterator[_Timer]:
    restarts = session.restarts
    if restarts.streak or restarts.is_slow:
        yield Deadline.STEADY, f"{session.launch_count}", policy.restart.backoff_reset_s
    elif restarts.link_restarted and session.link is LinkState.CONNECTED:
        yield Deadline.STEADY, f"{session.connected_at}", policy.restart.backoff_reset_s


def _timers_of_link(session: Session, policy: Policy) -> Iterator[_Timer]:
    anchor = f"{session.launch_count}"
    match session.link:
        case LinkState.UNKNOWN:
            yield Deadline.INITIALIZING, anchor, policy.link.initializing_s
        case LinkState.AUTHENTICATING:
            yield Deadline.AUTHENTICATING, anchor, policy.link.authenticating_s
        case LinkState.DISCONNECTED if not session.restarts.link_restarted:
            if session.reason and session.reason.code is ReasonCode.REPLACED:
                yield Deadline.REPLACED, anchor, policy.link.replaced_s
            elif session.reason and session.reason.code in (ReasonCode.NETWORK, ReasonCode.HOST_OFFLINE):
                yield Deadline.LINK_DOWN, anchor, policy.link.link_down_s
        case _:
            return


def _timers_of_pairing(session: Session, moment: Moment, policy: Policy) -> Iterator[_Timer]:
    if session.qr:
        yield Deadline.QR_EXPIRY, f"{session.qr.seq}", session.qr.left_s(moment.at, moment.boot_s)
    if session.pairing_started_at is not None and session.link in (LinkState.QR_READY, LinkState.UNKNOWN):
        window_s = policy.link.pairing_window_s
        left_s = session.pairing_started_at + window_s - moment.at
        yield Deadline.PAIRING_WINDOW, f"{session.pairing_started_at}", min(left_s, window_s)
