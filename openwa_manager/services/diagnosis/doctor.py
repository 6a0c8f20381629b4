"""Says what is wrong with sessions, endpoints and host; within a time limit, and no more often than every few seconds.

What is found is kept by its subject, not by who asks: each caller gets what he may know of.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import field
from typing import Final

from openwa_manager.domain.access.scopes import SessionScope
from openwa_manager.domain.delivery.events import matches_any
from openwa_manager.domain.diagnosis.endpoint_rules import endpoint_findings
from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.diagnosis.session_rules import session_findings
from openwa_manager.domain.diagnosis.table import found
from openwa_manager.domain.errors import SessionNotFoundError
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.diagnosis.gathering import Sources
from openwa_manager.services.sessions.directory import SessionDirectory

#: How long what was found is told again, and how long one answer may take.
KEPT_S: Final = 3.0
WITHIN_S: Final = 5.0
#: An answer holds no more of them.
FINDINGS_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was found, until when (boot clock) it is told again, and about which state of its subject."""

    findings: Sequence[Finding]
    until_s: float
    about: object


@dataclasses.dataclass(slots=True, kw_only=True)
class _Found:
    """What one look has found so far, and what it has still to look at: so many sessions, and the rest by its name."""

    left: int
    rest: str | None = None
    of_sessions: list[Finding] = field(default_factory=list)
    around: list[Finding] = field(default_factory=list)


class Doctor:
    """Finds what is wrong; `look_at_host` says what the host is like. One look takes `within_s` at most."""

    def __init__(
        self,
        sessions: SessionDirectory,
        sources: Sources,
        look_at_host: Callable[[], Awaitable[Sequence[Finding]]],
        within_s: float = WITHIN_S,
    ) -> None:
        self._sessions = sessions
        self._sources = sources
        self._look_at_host = look_at_host
        self._within_s = within_s
        self._kept: dict[str, _Kept] = {}
        self._turn = asyncio.Lock()

    async def look_at(self, pattern: str, scope: SessionScope) -> Sequence[Finding]:
        """Return what there is to say of the sessions that a pattern names, also of those that are well.

        Raises:
            SessionNotFoundError: it names none that the caller may know of.
        """
        wanted = SessionScope((pattern,))
        sessions = [each for each in self._sessions.list_sessions(scope) if wanted.names(each.session_id)]
        if not sessions:
            raise SessionNotFoundError("there is no such session")
        told_of = [each.session_id for each in sessions]
        findings = _Found(left=len(sessions), rest="endpoints")

        async def look() -> None:
            await self._of_sessions(sessions, findings)
            findings.around += await self._of_endpoints(scope, told_of)
            findings.rest = None

        await self._in_time(look, findings)
        return [*findings.of_sessions, *findings.around][:FINDINGS_MAX]

    async def look_around(self, scope: SessionScope) -> Sequence[Finding]:
        """Return what is wrong with the sessions of a scope; without limits also how the endpoints and the host are."""
        sessions = self._sessions.list_sessions(scope)
        findings = _Found(left=len(sessions), rest="endpoints, host" if scope.is_unlimited else "endpoints")

        async def look() -> None:
            findings.around += await self._of_host() if scope.is_unlimited else ()
            findings.rest = "endpoints"
            findings.around += await self._of_endpoints(scope)
            findings.rest = None
            await self._of_sessions(sessions, findings)

        await self._in_time(look, findings)
        wrong = [each for each in findings.of_sessions if each.level != "ok"]
        return [*findings.around, *wrong][:FINDINGS_MAX]

    async def _in_time(self, look: Callable[[], Awaitable[None]], findings: _Found) -> None:
        """Look when no other look goes on, and no longer than it may take; what was left out is said."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._within_s), self._turn:
                await look()
        left = [f"{findings.left} sessions"] if findings.left else []
        left += [findings.rest] if findings.rest else []
        if left:
            findings.around.insert(0, found("not_looked_at", detail=", ".join(left)))

    async def _of_sessions(self, sessions: Sequence[Session], findings: _Found) -> None:
        self._forget_others()
        for session in sessions:
            with suppress(SessionNotFoundError):  # it was deleted meanwhile
                findings.of_sessions += await self._of_session(session)
            findings.left -= 1

    async def _of_session(self, session: Session) -> Sequence[Finding]:
        name = f"session {session.session_id}"
        kept = self._fresh(name, session)
        if kept is None:
            kept = self._keep(name, tuple(session_findings(await self._sources.of_session(session))), session)
        return kept

    async def _of_endpoints(self, scope: SessionScope, told_of: Sequence[SessionId] | None = None) -> list[Finding]:
        """Return what is wrong with the endpoints of a scope, or with those that are told of some sessions."""
        findings: list[Finding] = []
        for status in await self._sources.endpoints.list_all(scope):
            patterns = status.endpoint.sessions
            if told_of is None or any(matches_any(patterns, each) for each in told_of):
                findings += endpoint_findings(await self._sources.of_endpoint(status))
        return findings

    async def _of_host(self) -> Sequence[Finding]:
        kept = self._fresh("host", None)
        if kept is None:
            kept = self._keep("host", await self._look_at_host(), None)
        return kept

    def _fresh(self, name: str, about: object) -> Sequence[Finding] | None:
        kept = self._kept.get(name)
        is_fresh = kept is not None and kept.about is about and self._now_s() < kept.until_s
        return kept.findings if kept is not None and is_fresh else None

    def _keep(self, name: str, findings: Sequence[Finding], about: object) -> Sequence[Finding]:
        self._kept[name] = _Kept(findings, self._now_s() + KEPT_S, about)
        return findings

    def _forget_others(self) -> None:
        """Forget what is told no more: sessions come and go."""
        now_s = self._now_s()
        self._kept = {name: kept for name, kept in self._kept.items() if now_s < kept.until_s}

    def _now_s(self) -> float:
        return self._sources.clock.now().boot_s
