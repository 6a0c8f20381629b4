"""Keeps what one supervisor is told and asked, in order of arrival, and sees that everyone who asked gets an answer."""

import asyncio
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace

import structlog

from openwa_manager.domain.errors import DrainingError, OpenwaManagerError, SessionNotFoundError
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.domain.session.stimuli import DeleteRequested, Observation, Resumed, Stimulus, StopRequested
from openwa_manager.domain.values import dataclass

#: How many entries share one commit at most.
_BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxEntry:
    """Stimuli that came together; `answer` is settled once they are on disk, `key` makes a repeat known.

    `log_context` is what the sender's log lines carry, such as the id of a request.
    """

    stimuli: Sequence[Stimulus]
    answer: asyncio.Future[Session] | None = None
    key: str | None = None
    log_context: Mapping[str, object] = field(default_factory=structlog.contextvars.get_contextvars)

    @property
    def is_takeover(self) -> bool:
        """Tell whether it brings what became of an engine while nobody watched."""
        return any(isinstance(each, Resumed) for each in self.stimuli)

    @property
    def cannot_wait(self) -> bool:
        """Tell whether this counts even while nothing can be recorded: what has happened, stops and deletes."""
        is_stop = any(isinstance(each, StopRequested | DeleteRequested) for each in self.stimuli)
        return self.answer is None or is_stop or self.is_takeover

    def refuse(self, error: OpenwaManagerError) -> None:
        """Answer with an error; without effect when there is an answer, or nobody who waits for one."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error)

    def confirm(self, session: Session) -> None:
        """Answer with the session as it is now; without effect when there is an answer, or nobody who waits for one."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(session)


class Mailbox:
    """One session's entries; its supervisor takes them in batches."""

    def __init__(self, session_id: SessionId, clock: Clock) -> None:
        self._session_id = session_id
        self._clock = clock
        self._waiting: deque[MailboxEntry] = deque()
        self._taken: Sequence[MailboxEntry] = ()
        self._arrived = asyncio.Event()
        self._is_awaited = False
        self.is_closed = False

    @property
    def is_idle(self) -> bool:
        """Tell whether the supervisor has handled all there was and waits for more."""
        return self._is_awaited and not self._waiting

    def put(self, stimuli: Sequence[Observation]) -> None:
        """Put in what was observed together; nobody waits for an answer."""
        self._add(MailboxEntry(stimuli=stimuli))

    async def post(self, stimuli: Sequence[Stimulus], key: str | None = None) -> Session:
        """Put in what belongs together, and return the session once it is recorded.

        Raises:
            SessionNotFoundError: the session is gone.
            OpenwaManagerError: it was refused; nothing happened.
        """
        if self.is_closed:
            raise self._gone()
        answer: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        self._add(MailboxEntry(stimuli=stimuli, answer=answer, key=key))
        return await answer

    async def take(self, until_boot_s: float | None) -> list[MailboxEntry]:
        """Return what came in, at most a batch; nothing once the boot clock reaches `until_boot_s` (None: never)."""
        self._is_awaited = True
        try:
            await self._clock.wait(self._arrived, until_boot_s)
        finally:
            self._is_awaited = False
        taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
        if not self._waiting:
            self._arrived.clear()
        self._taken = taken
        return taken

    def send_away(self, session: Session) -> None:
        """Answer all who wait that nobody looks after the session just now, also those whose entries were taken.

        Whoever took the session up is told that this is done: whoever starts it over looks at its engine anew.
        """
        for entry in self._empty():
            if entry.is_takeover:
                entry.confirm(session)
            else:
                entry.refuse(DrainingError(f"session {self._session_id} is not looked after just now; try again"))

    def close(self) -> None:
        """Answer all who wait, and all who ask from now on, that the session is gone."""
        self.is_closed = True
        for entry in self._empty():
            entry.refuse(self._gone())

    def _add(self, entry: MailboxEntry) -> None:
        self._waiting.append(entry)
        self._arrived.set()

    def _empty(self) -> list[MailboxEntry]:
        unanswered = [*self._taken, *self._waiting]
        self._taken = ()
        self._waiting.clear()
        self._arrived.clear()
        return unanswered

    def _gone(self) -> SessionNotFoundError:
        return SessionNotFoundError(f"no session {self._session_id}")


def confirm_repeats(entries: Iterable[MailboxEntry], known: Collection[str], session: Session) -> list[MailboxEntry]:
    """Confirm the entries whose key is known to be on disk, and return the others.

    One that repeats an earlier one among them has nothing to say any more, but is answered with the others: what it
    repeats is not on disk yet.
    """
    fresh: list[MailboxEntry] = []
    met: set[str] = set()
    for entry in entries:
        if entry.key is not None and entry.key in known:
            entry.confirm(session)
        elif entry.key is not None and entry.key in met:
            fresh.append(replace(entry, stimuli=(), key=None))
        else:
            fresh.append(entry)
            met |= {entry.key} if entry.key is not None else set()
    return fresh


def refuse_what_can_wait(entries: Iterable[MailboxEntry], error: OpenwaManagerError) -> list[MailboxEntry]:
    """Refuse what nothing is lost by refusing, and return what has to count even if it cannot be recorded."""
    kept: list[MailboxEntry] = []
    for entry in entries:
        if entry.cannot_wait:
            kept.append(entry)
        else:
            entry.refuse(error)
    return kept
