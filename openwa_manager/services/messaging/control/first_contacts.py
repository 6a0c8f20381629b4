"""Refuses messages to new people beyond what a session may write to today: they would wait until tomorrow."""

import math

from openwa_manager.domain.errors import FirstContactCapError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.zones import next_day_at
from openwa_manager.services.messaging.sending.queue_parts import Paces
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import heads, queues


class FirstContactCap:
    """Counts those that were written to today and those of no batch that wait; batches are spread over days instead."""

    def __init__(self, paces: Paces) -> None:
        self._paces = paces

    def require(self, connection: Connection, session_id: SessionId, now: float) -> None:
        """Return if the session may write to one more new person today (`now` is wall time).

        Raises:
            FirstContactCapError: it may not; says when it may.
        """
        left = self._paces.first_contacts_left(queues.read_queue(connection, session_id), now)
        if left is None or heads.count_first_contacts(connection, session_id) < left:
            return
        retry_after_s = max(1, math.ceil(next_day_at(now, self._paces.zone) - now))
        raise FirstContactCapError("this number has written to as many new people today as it may", retry_after_s)
