"""What happens to a session by itself, in plain words, and when: its deadlines, and what else it waits for."""

from collections.abc import Iterable, Iterator, Mapping

from openwa_manager.domain.session.launch_facts import ProgramMissing
from openwa_manager.domain.session.link import is_paired
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import After, LinkState, ProcessState, Session
from openwa_manager.domain.session.stimuli import Deadline
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """Something that comes by itself; `at` is wall time, None: as soon as it can."""

    words: str
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A deadline that runs, and when it expires (wall time)."""

    deadline: Deadline
    at: float


_AFTER_THE_END: Mapping[After, str] = {
    After.STAY_STOPPED: "stay stopped once the engine has ended",
    After.START_AGAIN: "start again once the engine has ended",
    After.BACK_OFF: "start again after a pause, once the engine has ended",
    After.FAIL: "give up for now once the engine has ended",
    After.DELETE: "delete the session once the engine has ended and its directory is removed",
}


def coming_to(session: Session, due: Iterable[Due], kill_at: float | None, ahead: int | None = None) -> list[Coming]:
    """Return what comes, the next first; empty when nothing does until somebody acts.

    `kill_at` is until when an engine that ends has time to do so by itself (wall time; None: that time is over),
    `ahead` how many sessions are let through the start gate before this one (None: it does not wait there).
    """
    timed = sorted(_deadlines(session, due), key=lambda each: each.at or 0.0)
    match session.process:
        case ProcessState.STARTING if session.launch is None:
            return [Coming(words=_at_the_gate(ahead)), *timed]
        case ProcessState.STARTING if session.pid is None:
            return [Coming(words="start the engine's process"), *timed]
        case ProcessState.STOPPING:
            return list(_of_the_end(session, kill_at))
        case ProcessState.FAILED if session.reason is not None and isinstance(session.reason.facts, ProgramMissing):
            return [Coming(words="start again once its program is there, which is looked for all the time"), *timed]
        case ProcessState.RUNNING if session.link is LinkState.DISCONNECTED and not _needs_a_person(session):
            return [*timed, Coming(words="be connected again: the engine tries by itself")]
        case _:
            return timed


def kill_time(session: Session, stop_grace_s: float, at: float) -> float | None:
    """Return until when an engine that ends has time to do so by itself (wall time), which is `at` now.

    None: that time is over. A daemon that was started meanwhile gives the engine its time anew.
    """
    ends_at = None if session.reason is None else session.reason.at + stop_grace_s
    return ends_at if ends_at is not None and ends_at > at else None


def _needs_a_person(session: Session) -> bool:
    """Tell whether somebody must do something on the phone first."""
    return session.reason is not None and session.reason.code is ReasonCode.ACTION_REQUIRED


def _at_the_gate(ahead: int | None) -> str:
    others = f"; {ahead} before it" if ahead else ""
    return f"launch when the start gate has a slot{others}"


def _of_the_end(session: Session, kill_at: float | None) -> Iterator[Coming]:
    if session.launch is not None:
        yield Coming(words="kill what is left of the engine", at=kill_at)
    ending = session.ending
    assert ending is not None  # noqa: S101 (STOPPING always has an ending)
    yield Coming(words=_AFTER_THE_END[ending.after])


def _deadlines(session: Session, due: Iterable[Due]) -> Iterator[Coming]:
    for each in due:
        words = words_of(each.deadline, session)
        if words is not None:
            yield Coming(words=words, at=each.at)


#: What happens when a deadline expires; None: nothing that anybody waits for.
_WORDS: Mapping[Deadline, str | None] = {
    Deadline.SLOW: None,  # that it is slow is said then, and nothing else happens
    Deadline.LAUNCH: "give this launch up, unless the host has room for it by then",
    Deadline.BOOT: "end the engine and start it again after a pause, unless it answers by then",
    Deadline.BACKOFF: "start again",
    Deadline.SLOW_RETRY: "try once more to start",
    Deadline.STEADY: "forget the earlier crashes, if there is none until then",
    Deadline.QR_EXPIRY: "the code expires; the engine makes the next one",
    Deadline.PAIRING_WINDOW: "end the engine, unless a code is scanned by then",
    Deadline.INITIALIZING: "restart the engine, unless it shows a code by then",
    Deadline.AUTHENTICATING: "restart the engine, unless it connects by then",
    Deadline.LINK_DOWN: "restart the engine, unless the link is up by then",
    Deadline.REPLACED: "restart the engine to take the connection back, unless the link is up by then",
}
#: The same where a session has had its one restart, and where it holds an account, which is waited for.
_WORDS_AFTER_RESTART: Mapping[Deadline, str] = {
    Deadline.INITIALIZING: "give up for now, unless it shows a code by then",
    Deadline.AUTHENTICATING: "give up for now, unless it connects by then",
}
_WORDS_WHEN_PAIRED: Mapping[Deadline, str] = dict.fromkeys(
    _WORDS_AFTER_RESTART, "call it disconnected, unless it connects by then"
)


def words_of(deadline: Deadline, session: Session) -> str | None:
    """Return what happens to this session when the deadline expires; None: nothing that anybody waits for."""
    words: str | None = None
    if is_paired(session):
        words = _WORDS_WHEN_PAIRED.get(deadline)
    elif session.restarts.link_restarted:
        words = _WORDS_AFTER_RESTART.get(deadline)
    return words or _WORDS[deadline]
