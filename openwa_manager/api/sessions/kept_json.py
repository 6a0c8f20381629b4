"""Writes the JSON of a session once for each change of it, however often it is asked for."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from openwa_manager.api.lists.tags import tag_of
from openwa_manager.api.routing import json_of
from openwa_manager.api.sessions.responses import SessionOut
from openwa_manager.domain.session.session import Session, SessionId, Usage
from openwa_manager.domain.values import dataclass
from openwa_manager.services.sessions.directory import SessionDirectory

#: So many of sessions that are gone may be kept beside as many as there are.
_SPARE: Final = 64
#: So many are written at once, which takes 2 ms; then all that waits in the loop has its turn.
_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class KeptJson:
    """The JSON of a session as it was made from these two, and its tag."""

    session: Session
    usage: Usage | None
    body: bytes
    tag: str


class SessionJson:
    """The JSON of every session that was asked for.

    A session and what it uses are replaced when anything about them changes, never changed: so what was written is
    right as long as both are the very same objects. Nobody has to tell of a change.
    """

    def __init__(self, sessions: SessionDirectory, usage: Callable[[SessionId], Usage | None]) -> None:
        self._sessions = sessions
        self._usage = usage
        self._kept: dict[SessionId, KeptJson] = {}
        self._kept_max = _SPARE
        self._written_count = 0

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept)

    def of(self, session: Session) -> KeptJson:
        """Return the JSON of a session."""
        usage = self._usage(session.session_id)
        kept = self._kept.get(session.session_id)
        if kept is not None and kept.session is session and kept.usage is usage:
            return kept
        body = json_of(SessionOut.of(session, usage))
        self._written_count += 1
        written = self._kept[session.session_id] = KeptJson(session, usage, body, tag_of((body,)))
        if len(self._kept) > self._kept_max:
            self._forget_gone()
        return written

    async def of_all(self, sessions: Iterable[Session]) -> list[KeptJson]:
        """Return the JSON of these sessions; where many have changed, others have their turn in between."""
        found: list[KeptJson] = []
        written_count = self._written_count
        for session in sessions:
            found.append(self.of(session))
            if self._written_count - written_count >= _AT_ONCE:
                await asyncio.sleep(0)
                written_count = self._written_count
        return found

    def _forget_gone(self) -> None:
        there = {each.session_id for each in self._sessions.iterate()}
        self._kept = {session_id: kept for session_id, kept in self._kept.items() if session_id in there}
        self._kept_max = 2 * len(there) + _SPARE
