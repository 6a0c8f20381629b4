"""Which clocks run in which state, and when they ring; derived from the session, never stored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import LinkState, ProcessState, Session
from openwa_manager.domain.session.stimuli import Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a stimulus was met: wall time, boot clock, and a draw in [0, 1) for whatever is left to chance.

    `is_offline` tells that the host itself has no network, so that no session can be blamed for its link; `has_slept`
    that it slept since the moment before, so that no engine can be blamed for the time that passed.
    """

    at: float
    boot_s: float
    chance: float = 0.5
    is_offline: bool = False
    has_slept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """A running deadline: it rings at `due_boot_s`; a new `anchor` means that it was wound anew."""

    anchor: str
    due_boot_s: float


Deadlines = Mapping[Deadline, Armed]

#: Deadlines that condemn an engine or a link. One that rings this late means that we were asleep, not that it was.
VERDICTS = frozenset(
    {
        Deadline.LAUNCH,
        Deadline.BOOT,
        Deadline.INITIALIZING,
        Deadline.AUTHENTICATING,
        Deadline.LINK_DOWN,
        Deadline.REPLACED,
    }
)
LATE_S = 5.0


def rearm(running: Deadlines, session: Session, moment: Moment, policy: Policy) -> Deadlines:
    """Return the deadlines this session holds now: those still meant keep running, the others start or stop."""
    armed: dict[Deadline, Armed] = {}
    for deadline, anchor, left_s in _wanted(session, moment, policy):
        kept = running.get(deadline)
        if kept is None or kept.anchor != anchor:
            kept = Armed(anchor=anchor, due_boot_s=moment.boot_s + max(0.0, left_s))
        armed[deadline] = kept
    return armed


def is_held(session: Session, deadline: Deadline, moment: Moment, policy: Policy) -> bool:
    """Tell whether this deadline means anything in the session's present state."""
    return any(wanted == deadline for wanted, _, _ in _wanted(session, moment, policy))


def excused(running: Deadlines, session: Session, moment: Moment, policy: Policy) -> Deadlines:
    """Return the deadlines with the verdicts wound anew that ring too late, or ran while the host slept.

    Nobody was awake to see them met.
    """
    judged = {
        deadline: armed
        for deadline, armed in running.items()
        if deadline not in VERDICTS or not (moment.has_slept or moment.boot_s - armed.due_boot_s > LATE_S)
    }
    return running if len(judged) == len(running) else rearm(judged, session, moment, policy)


def passed(running: Deadlines, boot_s: float) -> Deadline | None:
    """Return the deadline that rang first of those that have rung by now; None while all still run."""
    rung = [(armed.due_boot_s, deadline) for deadline, armed in running.items() if armed.due_boot_s <= boot_s]
    return min(rung, key=lambda each: (each[0], each[1].value))[1] if rung else None


_Wanted = tuple[Deadline, str, float]


# A wall clock that was set back must not make a wait longer than it was meant to be: hence the `min` below.
def _wanted(session: Session, moment: Moment, policy: Policy) -> Iterator[_Wanted]:
    at = moment.at
    match session.process:
        case ProcessState.STARTING:
            if session.pid is not None:
                yield Deadline.BOOT, f"{session.launch_count}", policy.link.boot_timeout_s
            elif session.launch and session.reason and session.reason.code is ReasonCode.HOST_LIMIT:
                yield Deadline.LAUNCH, f"{session.launch_count}", policy.link.boot_timeout_s
            yield from _wanted_of_pairing(session, at, policy)
        case ProcessState.BACKOFF | ProcessState.FAILED if session.restarts.next_at is not None:
            deadline = Deadline.BACKOFF if session.process is ProcessState.BACKOFF else Deadline.SLOW_RETRY
            left_s = session.restarts.next_at - at
            yield deadline, f"{session.restarts.next_at}", min(left_s, policy.restart.slow_retry_s)
        case ProcessState.RUNNING:
            if not moment.is_offline:
                yield from _wanted_of_link(session, policy)
            yield from _wanted_of_pairing(session, at, policy)
            yield from _wanted_of_book(session, policy)
        case _:
            return


def _wanted_of_book(session: Session, policy: Policy) -> Iterator[_Wanted]:
    book = session.restarts
    if book.streak or book.is_slow:
        yield Deadline.STEADY, f"{session.launch_count}", policy.restart.backoff_reset_s
    elif book.link_restarted and session.link is LinkState.CONNECTED:
        yield Deadline.STEADY, f"{session.connected_at}", policy.restart.backoff_reset_s


def _wanted_of_link(session: Session, policy: Policy) -> Iterator[_Wanted]:
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


def _wanted_of_pairing(session: Session, at: float, policy: Policy) -> Iterator[_Wanted]:
    if session.qr:
        yield Deadline.QR_EXPIRY, f"{session.qr.seq}", session.qr.expires_at - at
    if session.pairing_started_at is not None and session.link in (LinkState.QR_READY, LinkState.UNKNOWN):
        window_s = policy.link.pairing_window_s
        left_s = session.pairing_started_at + window_s - at
        yield Deadline.PAIRING_WINDOW, f"{session.pairing_started_at}", min(left_s, window_s)
