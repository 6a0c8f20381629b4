"""Shows the daemon, its version and its host."""

import os
import platform
from collections import Counter

from aiohttp import web

from openwa_manager.api.host.responses import SessionCounts, SystemOut
from openwa_manager.api.requests import Nothing
from openwa_manager.api.routing import Call, Route, json_answer, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.times import iso8601
from openwa_manager.domain.values import dataclass
from openwa_manager.services.sessions.directory import SessionDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What does not change while the daemon runs: the host's name, our version, when we started (wall time).

    `url` is where this API listens, as callers on this host reach it; `engine` the setting of this name.
    """

    host: str
    url: str
    engine: str
    version: str
    started_at: float


class SystemRoutes:
    """`/v1/system`."""

    def __init__(self, sessions: SessionDirectory, facts: HostFacts) -> None:
        self._sessions = sessions
        self._facts = facts

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (route("GET /v1/system", Action.READ_SESSIONS, self.show, Nothing, {200: (SystemOut,)}),)

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Tell host, address, versions, and the counts of the sessions that the caller may know of."""
        by_status = Counter(session.status for session in self._sessions.list_sessions(call.caller.scope))
        system = os.uname()
        answer = SystemOut(
            host=self._facts.host,
            url=self._facts.url,
            engine=self._facts.engine,
            version=self._facts.version,
            python=platform.python_version(),
            platform=f"{system.sysname} {system.release} {system.machine}",
            started_at=iso8601(self._facts.started_at),
            sessions=SessionCounts(total=by_status.total(), by_status=by_status),
        )
        return json_answer(answer)
