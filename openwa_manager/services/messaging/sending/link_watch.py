"""Sees how a session's link changes what may be sent: another number, or a link that was away for too long."""

from collections.abc import Callable, Sequence
from functools import partial

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import HoldCode
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.services.messaging.records import MessageRecords, Telling
from openwa_manager.store.columns import text
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import contacts, heads, holding, queues
from openwa_manager.store.messaging.queues import QueueRow


class LinkWatch:
    """One session's; it is asked before each thing that the queue does. `ttl_s` is how long a message may wait."""

    def __init__(
        self,
        session_id: SessionId,
        records: MessageRecords,
        clock: Clock,
        find: Callable[[SessionId], Session | None],
        ttl_s: float,
    ) -> None:
        self._session_id = session_id
        self._records = records
        self._clock = clock
        self._find = find
        self._ttl_s = ttl_s

    async def note(self, row: QueueRow, *, is_linked: bool) -> bool:
        """Record what the link tells, or a part of it; tell whether there was anything: then the row is another."""
        change = self._change(row, is_linked=is_linked)
        if change is not None:
            await self._records.tell(change)
        return change is not None

    def _change(self, row: QueueRow, *, is_linked: bool) -> Telling[None] | None:
        """Return what is to be recorded next; None: nothing."""
        session, now = self._find(self._session_id), self._clock.now().at
        if session is None:
            return None
        if not is_linked:
            since = min(session.last_seen_at or now, now)
            return partial(_note_away, session=session, since=since) if row.away_since is None else None
        number = None if session.phone_number is None else text(session.phone_number)  # as it is on disk
        if number is not None and row.linked_number != number:
            return partial(_note_number, session=session, number=number, row=row, at=now)
        if row.away_since is not None:
            return partial(_note_back, session=session, away_s=now - row.away_since, ttl_s=self._ttl_s)
        return None


def _note_away(connection: Connection, session: Session, since: float) -> tuple[None, Sequence[Event]]:
    queues.note_away(connection, session.session_id, since)
    return None, ()


def _note_number(
    connection: Connection, session: Session, number: str, row: QueueRow, at: float
) -> tuple[None, Sequence[Event]]:
    """Begin anew with another number: whom that one has written with is not known, and what waits was not for it."""
    session_id = session.session_id
    if row.linked_number is not None and contacts.forget_some(connection, session_id):
        return None, ()  # it is asked again, for the number is not noted
    queues.note_link(connection, session_id, number, at)
    if row.linked_number is None:
        return None, ()
    queues.note_limit(connection, session_id, None, at)  # that was taken from another account
    if not heads.read_sub_queues(connection, session_id):
        return None, ()
    detail = "the session is linked with another number than before; resume the queue if its messages may leave"
    return None, holding.hold(connection, session_id, HoldCode.NUMBER_CHANGED, detail, at)


def _note_back(connection: Connection, session: Session, away_s: float, ttl_s: float) -> tuple[None, Sequence[Event]]:
    """Let what is left go on, unless it is of another day."""
    queues.note_away(connection, session.session_id, None)
    if away_s > ttl_s:
        detail = f"the session was away for {away_s / 3600:.0f} hours; resume the batch if it is still to be sent"
        queues.pause_batches(connection, session.session_id, detail)
    return None, ()
