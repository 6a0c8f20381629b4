"""Wakes the messages of a session that sleep until a time, and ends those whose time is over."""

from collections.abc import Sequence
from functools import partial

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import MessageError, MessageStatus, Move
from openwa_manager.domain.messaging.words import ENDS, EndCode
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.messaging.sending.queue_parts import QueueParts
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import heads
from openwa_manager.store.messaging.moves import move
from openwa_manager.store.messaging.outlook import Outlook

#: How many messages end in one write; other writes wait meanwhile.
_SLICE = 100
_LATE = MessageError(code=EndCode.EXPIRED, detail=ENDS[EndCode.EXPIRED])


async def settle_due(session_id: SessionId, parts: QueueParts, outlook: Outlook, now: float) -> bool:
    """Do what is due at wall time `now`, or a part of it; tell whether anything was.

    While the wall clock is not to be relied on, nothing is.
    """
    is_late = outlook.expiry_at is not None and outlook.expiry_at <= now
    is_due = outlook.due_at is not None and outlook.due_at <= now
    if not (is_late or is_due) or parts.clock_guard.odd() is not None:
        return False
    if is_late:
        return await parts.records.tell(partial(_end_late, session_id=session_id, now=now)) > 0
    return await parts.records.write(partial(heads.wake_due, session_id=session_id, now=now)) > 0


def _end_late(connection: Connection, session_id: SessionId, now: float) -> tuple[int, Sequence[Event]]:
    step = Move(to=MessageStatus.EXPIRED, at=now, error=_LATE)
    late = heads.read_expired(connection, session_id, now, _SLICE)
    moved = [each for message in late if (each := move(connection, message.message_id, step)) is not None]
    return len(moved), [event for each in moved for event in each.events]
