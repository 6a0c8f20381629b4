"""Reads the sessions: each as last recorded, its code, its log, its timeline; and waits for one to change."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from functools import partial

from openwa_manager.domain.access.scopes import EVERY_SESSION, SessionScope
from openwa_manager.domain.errors import DrainingError
from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.session.coming import Coming
from openwa_manager.domain.session.session import Identity, Launch, Session, SessionId, Step
from openwa_manager.services.sessions.supervisors import Supervisors
from openwa_manager.services.starting.progress import Progress, StartCounts
from openwa_manager.store.database import Database
from openwa_manager.store.sessions import registry


class SessionDirectory:
    """Every session by its id; nothing here changes one."""

    def __init__(self, supervisors: Supervisors, database: Database, progress: Progress) -> None:
        self._supervisors = supervisors
        self._database = database
        self._progress = progress

    @property
    def is_ready(self) -> bool:
        """Tell whether every session known at the daemon's start has been taken up."""
        return self._progress.is_ready

    @property
    def is_draining(self) -> bool:
        """Tell whether the daemon is about to end, so that nobody should wait for anything."""
        return self._progress.is_draining

    def get(self, session_id: str) -> Session:
        """Return a session.

        Raises:
            SessionNotFoundError: there is none with this id.
        """
        return self._supervisors.get(session_id).session

    def coming(self, session_id: str) -> list[Coming]:
        """Return what happens to a session by itself, the next first.

        Raises:
            SessionNotFoundError: there is none with this id.
        """
        return self._supervisors.get(session_id).coming()

    def iterate(self) -> Iterator[Session]:
        """Go through all sessions, in no particular order."""
        return (supervisor.session for supervisor in self._supervisors)

    def list_sessions(self, scope: SessionScope = EVERY_SESSION) -> list[Session]:
        """Return all sessions in a scope, oldest first."""
        return sorted(self._within(scope), key=lambda session: (session.created_at, session.session_id))

    def live(self) -> dict[SessionId, Identity]:
        """Return the process of every live engine by session."""
        return {
            session.session_id: identity
            for supervisor in self._supervisors
            if (launch := (session := supervisor.session).launch) and (identity := launch.identity)
        }

    def start_counts(self, scope: SessionScope = EVERY_SESSION) -> StartCounts:
        """Return how far the starts of all sessions in a scope are."""
        return self._progress.counts_of(self._within(scope))

    def awaiting_qr(self) -> dict[SessionId, Launch]:
        """Return the launches that may show a code now, by session."""
        return {
            session.session_id: session.launch
            for session in self.iterate()
            if session.launch is not None and session.awaits_code
        }

    def _within(self, scope: SessionScope) -> Iterator[Session]:
        return (each for each in self.iterate() if scope.names(each.session_id))

    async def wait(self, session_id: str, is_met: Callable[[Session], bool], timeout_s: float) -> Session:
        """Return the session as soon as it meets the condition, at the latest after `timeout_s`.

        Raises:
            SessionNotFoundError: there is none, or no longer.
            DrainingError: the daemon is shutting down.
        """
        supervisor = self._supervisors.get(session_id)
        try:
            async with asyncio.timeout(timeout_s):
                await supervisor.until(lambda session: self.is_draining or is_met(session))
        except TimeoutError:
            return self.get(session_id)
        session = self.get(session_id)
        if self.is_draining and not is_met(session):
            raise DrainingError("the daemon is shutting down; ask again once it is back")
        return session

    def qr_image(self, session_id: str) -> bytes | None:
        """Return the PNG of the code being shown; None when there is none or it has expired.

        Raises:
            SessionNotFoundError: there is no such session.
        """
        return self._supervisors.get(session_id).qr_image

    def qr_image_of(self, session_id: SessionId, sha256: str) -> bytes | None:
        """Return the PNG with this hash; None when it is not the code being shown, or not any more."""
        supervisor = self._supervisors.find(session_id)
        qr = supervisor.session.qr if supervisor else None
        return supervisor.qr_image if supervisor and qr and qr.sha256 == sha256 else None

    def log_path(self, session_id: str) -> ForeignPath:
        """Return where the session's engine writes its output.

        Raises:
            SessionNotFoundError: there is no such session.
        """
        return self._supervisors.get(session_id).log_path

    def log_paths(self) -> dict[SessionId, ForeignPath]:
        """Return where each session's engine writes its output."""
        return {supervisor.session.session_id: supervisor.log_path for supervisor in self._supervisors}

    async def timeline(self, session_id: SessionId, limit: int, max_bytes: int) -> AsyncGenerator[Step]:
        """Go through the session's newest steps, oldest first: `limit`, or those whose evidence fits in `max_bytes`."""
        begin = partial(registry.step_before, session_id=session_id, limit=limit, max_bytes=max_bytes)
        after = await self._database.read(begin)
        while steps := await self._database.read(partial(registry.read_steps, session_id=session_id, after=after)):
            for number, step in steps:
                after = number
                yield step
