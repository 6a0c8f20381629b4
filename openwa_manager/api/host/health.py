"""Answers health checks: of the daemon for load balancers, of one session for whoever watches it."""

from aiohttp import web

from openwa_manager.api.errors import NotReadyError
from openwa_manager.api.host.responses import Alive, HealthCheckOut, HealthOut, ProgressOut, Readiness
from openwa_manager.api.requests import Nothing, ReadyQuery
from openwa_manager.api.routing import Call, Route, json_answer, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.roles import OPEN
from openwa_manager.domain.access.scopes import SessionScope
from openwa_manager.domain.messaging.holds import SERIOUS
from openwa_manager.domain.session.session import LinkState, ProcessState
from openwa_manager.domain.times import iso8601
from openwa_manager.services.monitoring.health import HealthFacts, HealthReader
from openwa_manager.services.sessions.directory import SessionDirectory


class HealthRoutes:
    """`/livez`, `/readyz` and the health of a session."""

    def __init__(self, sessions: SessionDirectory, health: HealthReader) -> None:
        self._sessions = sessions
        self._health = health

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (
            route("GET /livez", OPEN, self.live, Nothing, {200: (Alive,)}),
            route("GET /readyz", OPEN, self.ready, ReadyQuery, {200: (Readiness,), 401: (), 503: (Readiness,)}),
            route(
                "GET /v1/sessions/{session_id}/health",
                Action.READ_SESSIONS,
                self.session,
                Nothing,
                {200: (HealthOut,), 503: (HealthOut,)},
            ),
        )

    async def live(self, call: Call[Nothing]) -> web.Response:
        """Tell that the daemon answers."""
        del call
        return json_answer(Alive(status="ok"))

    async def ready(self, call: Call[ReadyQuery]) -> web.Response:
        """Tell whether every session has been taken up; with `?verbose`, which needs a key, how far the start is."""
        if call.arguments.verbose is not None:
            return self._progress(call.caller.scope)
        if not self._sessions.is_ready:
            raise NotReadyError("not ready")
        return json_answer(Alive(status="ok"))

    def _progress(self, scope: SessionScope) -> web.Response:
        is_ready, progress = self._sessions.is_ready, self._sessions.start_counts(scope)
        sessions = ProgressOut.model_validate(progress, from_attributes=True)
        answer = Readiness(status="ok" if is_ready else "starting", sessions=sessions)
        return json_answer(answer, 200 if is_ready else 503)

    async def session(self, call: Call[Nothing]) -> web.Response:
        """Tell whether a session can send and receive now; 503 when it cannot."""
        health = health_of(await self._health.of(call.session_id))
        return json_answer(health, 200 if health.healthy else 503)


def health_of(facts: HealthFacts) -> HealthOut:
    """Return the health of a session; it is healthy only when its process lives, answers and is linked to WhatsApp."""
    session = facts.session
    is_running = session.process is ProcessState.RUNNING
    checks = tuple(
        check(facts) for check in (_process, _engine, _probe, _link, _log, _heartbeat, _qr, _directory, _messages)
    )
    return HealthOut(
        healthy=all(check.is_ok for check in checks),
        process=session.process,
        engine="answering" if is_running else "booting" if session.process is ProcessState.STARTING else "down",
        link=session.link,
        last_seen_at=_moment(session.last_seen_at),
        checks=checks,
    )


def _process(facts: HealthFacts) -> HealthCheckOut:
    session, usage = facts.session, facts.usage
    evidence = {
        "pid": session.pid,
        "started_at": _moment(session.started_at),
        "restarts": session.restarts.count,
        "rss_bytes": usage.rss_bytes if usage else None,
        "cpu_percent": round(usage.cpu_percent, 1) if usage else None,
        "process_count": usage.process_count if usage else None,
        "open_file_count": facts.open_file_count,
        "disk_bytes": facts.disk_bytes,
    }
    detail = "no process" if session.pid is None else f"pid {session.pid}"
    return HealthCheckOut(name="process", is_ok=session.pid is not None, detail=detail, evidence=evidence)


def _engine(facts: HealthFacts) -> HealthCheckOut:
    session = facts.session
    evidence = {"launch": session.launch_count, "port": session.launch.listening_port if session.launch else None}
    is_running = session.process is ProcessState.RUNNING
    return HealthCheckOut(name="engine", is_ok=is_running, detail=session.process.value, evidence=evidence)


def _probe(facts: HealthFacts) -> HealthCheckOut:
    record = facts.record
    if record is None:
        return HealthCheckOut(name="probe", is_ok=True, detail="not asked: no engine runs")
    evidence = {"misses": record.misses, "answered_at": _moment(record.answered_at)}
    return HealthCheckOut(name="probe", is_ok=record.misses == 0, detail=record.detail, evidence=evidence)


def _link(facts: HealthFacts) -> HealthCheckOut:
    session, reason = facts.session, facts.session.reason
    evidence = {
        "connected_at": _moment(session.connected_at),
        "last_connected_at": _moment(session.last_connected_at),
        "reason": reason.code.value if reason else None,
        "since": _moment(reason.at) if reason else None,
    }
    detail = f"{session.link}: {reason.detail}" if reason else session.link.value
    return HealthCheckOut(name="link", is_ok=session.link is LinkState.CONNECTED, detail=detail, evidence=evidence)


def _log(facts: HealthFacts) -> HealthCheckOut:
    """Show the log's growth: lines are a sign of life, their absence proves nothing."""
    evidence = {"written_at": _moment(facts.log_written_at), "size_bytes": facts.log_bytes}
    detail = "no log" if facts.log_written_at is None else "written to"
    return HealthCheckOut(name="log", is_ok=True, detail=detail, evidence=evidence)


def _heartbeat(facts: HealthFacts) -> HealthCheckOut:
    """Show whether the engine posts heartbeats; that they stop shows at the link, after the time allowed."""
    detail = "posts heartbeats" if facts.has_heartbeat else "posts none"
    evidence = {"last_seen_at": _moment(facts.session.last_seen_at)}
    return HealthCheckOut(name="heartbeat", is_ok=True, detail=detail, evidence=evidence)


def _qr(facts: HealthFacts) -> HealthCheckOut:
    qr = facts.session.qr
    if qr is None:
        is_awaited = facts.session.link is LinkState.QR_READY
        return HealthCheckOut(name="qr", is_ok=not is_awaited, detail="none shown")
    evidence = {
        "seq": qr.seq,
        "attempt": qr.attempt,
        "produced_at": _moment(qr.produced_at),
        "expires_at": _moment(qr.expires_at),
    }
    return HealthCheckOut(name="qr", is_ok=True, detail="shown, waiting for a scan", evidence=evidence)


def _directory(facts: HealthFacts) -> HealthCheckOut:
    """Show a directory that was taken away under its engine, or whose disk does not answer."""
    if facts.are_files_stuck:
        return HealthCheckOut(name="directory", is_ok=False, detail="its disk does not answer")
    if facts.lost_directory is None:
        return HealthCheckOut(name="directory", is_ok=True, detail="in place")
    return HealthCheckOut(name="directory", is_ok=False, detail="is gone", evidence={"path": str(facts.lost_directory)})


def _messages(facts: HealthFacts) -> HealthCheckOut:
    """Show whether messages leave: one that fails tells of a queue that has stopped, or of sends that fail."""
    brief = facts.messages
    if brief is None:
        return HealthCheckOut(name="messages", is_ok=True, detail="none wait")
    hold = brief.hold
    evidence = {
        "waiting": brief.waiting_count,
        "hold": hold.code.value if hold else None,
        "until": _moment(hold.until) if hold else None,
        "overdue_acks": brief.overdue_count,
        **{f"{status.value}_last_hour": count for status, count in brief.last_hour.items()},
    }
    if hold is not None and hold.code in SERIOUS:
        return HealthCheckOut(name="messages", is_ok=False, detail=f"held: {hold.detail}", evidence=evidence)
    if brief.is_failing:
        return HealthCheckOut(name="messages", is_ok=False, detail="more fail than are sent", evidence=evidence)
    detail = f"{brief.waiting_count} wait" if brief.waiting_count else "none wait"
    return HealthCheckOut(name="messages", is_ok=True, detail=detail, evidence=evidence)


def _moment(at: float | None) -> str | None:
    return None if at is None else iso8601(at)
