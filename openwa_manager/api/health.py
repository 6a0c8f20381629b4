"""Signs of life: of the daemon for load balancers, of one session for whoever watches it."""

from aiohttp import web

from openwa_manager.api.errors import NotReadyError
from openwa_manager.api.given import Nothing, ReadyQuery
from openwa_manager.api.routing import Call, Route, json_answer, route
from openwa_manager.api.schemas import Alive, CheckOut, HealthOut, ProgressOut, Readiness
from openwa_manager.domain.session import LinkState, ProcessState, Session
from openwa_manager.domain.times import iso8601
from openwa_manager.services.progress import progress_of
from openwa_manager.services.sessions import Sessions


class HealthRoutes:
    """`/livez`, `/readyz` and the health of a session."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (
            route("GET /livez", self.live, Nothing, {200: (Alive,)}),
            route("GET /readyz", self.ready, ReadyQuery, {200: (Readiness,), 503: (Readiness,)}),
            route(
                "GET /v1/sessions/{session_id}/health", self.session, Nothing, {200: (HealthOut,), 503: (HealthOut,)}
            ),
        )

    async def live(self, call: Call[Nothing]) -> web.Response:
        """Tell that the daemon answers."""
        del call
        return json_answer(Alive())

    async def ready(self, call: Call[ReadyQuery]) -> web.Response:
        """Tell whether every session has been taken up; with `?verbose`, which needs a key, how far the start is."""
        if call.given.verbose is not None:
            return self._progress()
        if not self._sessions.is_ready:
            raise NotReadyError("not ready")
        return json_answer(Alive())

    def _progress(self) -> web.Response:
        is_ready, progress = self._sessions.is_ready, progress_of(self._sessions)
        sessions = ProgressOut.model_validate(progress, from_attributes=True)
        answer = Readiness(status="ok" if is_ready else "starting", sessions=sessions)
        return json_answer(answer, 200 if is_ready else 503)

    async def session(self, call: Call[Nothing]) -> web.Response:
        """Tell whether a session can send and receive now; 503 when it cannot."""
        health = health_of(self._sessions.get(call.session_id))
        return json_answer(health, 200 if health.healthy else 503)


def health_of(session: Session) -> HealthOut:
    """Return how a session does; it is healthy only when its process lives, answers and is linked to WhatsApp."""
    is_running = session.process is ProcessState.RUNNING
    checks = (
        CheckOut(
            name="process",
            is_ok=session.pid is not None,
            detail="no process" if session.pid is None else f"pid {session.pid}",
        ),
        CheckOut(name="engine", is_ok=is_running, detail=session.process.value),
        CheckOut(name="link", is_ok=session.link is LinkState.CONNECTED, detail=session.link.value),
    )
    return HealthOut(
        healthy=all(check.is_ok for check in checks),
        process=session.process,
        engine="answering" if is_running else "booting" if session.process is ProcessState.STARTING else "down",
        link=session.link,
        last_seen_at=None if session.last_seen_at is None else iso8601(session.last_seen_at),
        checks=checks,
    )
