"""Tells the endpoints at a steady pace which sessions are connected (`session.heartbeat`); stores nothing."""

from collections.abc import Callable, Iterable

from openwa_manager.domain.delivery.events import HEARTBEAT, Event
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import LinkState, Session, SessionId, Usage
from openwa_manager.domain.times import iso8601


class Heartbeat:
    """Posts one heartbeat per connected session and period."""

    def __init__(
        self,
        clock: Clock,
        period_s: float,
        sessions: Callable[[], Iterable[Session]],
        usage: Callable[[SessionId], Usage | None],
        post: Callable[[Event], None],
    ) -> None:
        self._clock = clock
        self._period_s = period_s
        self._sessions = sessions
        self._usage = usage
        self._post = post

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            for session in self._sessions():
                if session.link is LinkState.CONNECTED:
                    self._post(self._beat(session))
            await self._clock.sleep_until(self._clock.now().boot_s + self._period_s)

    def _beat(self, session: Session) -> Event:
        usage = self._usage(session.session_id)
        seen_at = None if session.last_seen_at is None else iso8601(session.last_seen_at)
        return Event(
            type=HEARTBEAT,
            occurred_at=self._clock.now().at,
            session_id=session.session_id,
            user_id=session.spec.user_id,
            launch=session.launch_count,
            data={
                "status": session.status.value,
                "last_seen_at": seen_at,
                "rss_bytes": usage.rss_bytes if usage else None,
            },
        )
