"""Which events tell of a change of a session."""

from collections.abc import Iterable, Iterator, Mapping

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.session.context import Announcement, Outcome
from openwa_manager.domain.session.session import LinkState, ProcessState, Session, Status


def events_of(session: Session, announcements: Iterable[Announcement], at: float) -> tuple[Event, ...]:
    """Return the announcements as the session's next events, which the store will number."""
    return tuple(
        Event(
            type=announcement.type,
            occurred_at=at,
            session_id=session.session_id,
            user_id=session.spec.user_id,
            launch=session.launch_count,
            expires_at=announcement.expires_at,
            data=announcement.data,
        )
        for announcement in announcements
    )


def changes_of(before: Session, outcome: Outcome) -> Iterator[Announcement]:
    """Yield what every endpoint is told of a change, whichever transition made it."""
    after = outcome.session
    reason = {"reason": after.reason.code.value, "reason_detail": after.reason.detail} if after.reason else {}
    if after.status is not before.status or _is_down_for_another_reason(before, after):
        data = {"status": after.status.value, "previous": before.status.value, "reason": None, **reason}
        yield Announcement(type="session.status", data=data)
    if after.link is not before.link:
        yield from _changes_of_link(before, after, reason)
    ended = {
        "pid": before.pid,
        "exit_code": outcome.evidence.get("exit_code"),
        "signal": outcome.evidence.get("signal"),
    }
    if after.process is ProcessState.STOPPED and before.process is not ProcessState.STOPPED:
        yield Announcement(type="session.stopped", data={**ended, **reason})
    if after.process is ProcessState.FAILED and not before.restarts.is_slow:
        yield Announcement(type="session.failed", data={**ended, "attempt": after.restarts.streak, **reason})


def _is_down_for_another_reason(before: Session, after: Session) -> bool:
    """Tell whether a link that stays down now needs something else: waiting, or a person."""
    if after.status is not Status.DISCONNECTED or before.reason is None or after.reason is None:
        return False
    return before.reason.code is not after.reason.code


def _changes_of_link(before: Session, after: Session, reason: Mapping[str, str]) -> Iterator[Announcement]:
    match after.link:
        case LinkState.CONNECTED:
            data = {"phone_number": after.phone_number, "push_name": after.push_name}
            yield Announcement(type="session.connected", data=data)
        case LinkState.BANNED | LinkState.LOGGED_OUT:
            yield Announcement(type=f"session.{after.link}", data={"phone_number": before.phone_number, **reason})
        case _ if before.link is LinkState.CONNECTED:
            data = {"phone_number": before.phone_number, **reason}
            yield Announcement(type="session.disconnected", data=data)
        case _:
            return
