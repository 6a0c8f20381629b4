"""Writes our sessions as OpenWA does: its record, its status, its overview (docs/openwa.md, Sessions and links)."""

from collections import Counter
from collections.abc import Mapping, Sequence

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.reasons import ReasonCode, Restriction
from openwa_manager.domain.session.session import After, ProcessState, Session, Status
from openwa_manager.domain.times import iso8601

INITIALIZING, QR_READY, READY, DISCONNECTED, FAILED = (
    "initializing",
    "qr_ready",
    "ready",
    "disconnected",
    "failed",
)
_ACTION_REQUIRED = "action_required"

#: Our status -> OpenWA's; `restarting` is what OpenWA calls its reconnect back-off: disconnected, engine loaded.
_STATUSES: Mapping[Status, str] = {
    Status.CREATING: INITIALIZING,
    Status.QR_READY: QR_READY,
    Status.AUTHENTICATING: "authenticating",
    Status.CONNECTED: READY,
    Status.DISCONNECTED: DISCONNECTED,
    Status.RESTARTING: DISCONNECTED,
    Status.STOPPING: DISCONNECTED,
    Status.STOPPED: DISCONNECTED,
    Status.FAILED: FAILED,
    Status.BANNED: FAILED,
    Status.LOGGED_OUT: DISCONNECTED,
}
#: Why a link is down, where OpenWA has a status of its own for it.
_STATUS_WHEN_DOWN: Mapping[ReasonCode, str] = {
    ReasonCode.REPLACED: FAILED,
    ReasonCode.ACTION_REQUIRED: _ACTION_REQUIRED,
}
_LOADED = (ProcessState.STARTING, ProcessState.RUNNING, ProcessState.BACKOFF)
_STARTS_AGAIN = (After.START_AGAIN, After.BACK_OFF)
_MIB = 1024 * 1024


def is_loaded(session: Session) -> bool:
    """Tell whether OpenWA would say `engineLoaded`: stop, logout and force-kill act, start does not."""
    if session.process is ProcessState.STOPPING:
        return session.ending is not None and session.ending.after in _STARTS_AGAIN
    return session.process in _LOADED


def openwa_status(session: Session) -> str:
    """Return the status OpenWA would show."""
    status = session.status
    if status is Status.STOPPED and session.launch_count == 0:
        return "created"
    if status is Status.DISCONNECTED and session.reason is not None:
        return _STATUS_WHEN_DOWN.get(session.reason.code, DISCONNECTED)
    return _STATUSES[status]


def session_record(session: Session) -> dict[str, Json]:
    """Return the session as OpenWA shows it; its `id` and its `name` are our id."""
    status = openwa_status(session)
    reason = session.reason
    is_in_trouble = status in (FAILED, _ACTION_REQUIRED) and reason is not None
    was_linked = session.last_connected_at is not None
    return {
        "id": session.session_id,
        "name": session.session_id,
        "status": status,
        "phone": session.phone_number,
        "pushName": session.push_name,
        "connectedAt": _time(session.last_connected_at),
        "lastActive": _time(session.last_seen_at) if was_linked else None,
        "createdAt": iso8601(session.created_at),
        "updatedAt": iso8601(session.updated_at),
        "lastError": reason.detail if is_in_trouble and reason else None,
        "restriction": _restriction(session),
        "engineLoaded": is_loaded(session),
    }


def sessions_overview(sessions: Sequence[Session], rss_bytes: int) -> dict[str, Json]:
    """Return the counts; the memory is that of all engines together, in MiB."""
    counts = Counter(openwa_status(session) for session in sessions)
    rss = round(rss_bytes / _MIB)
    return {
        "total": len(sessions),
        "active": sum(is_loaded(session) for session in sessions),
        "ready": counts[READY],
        "disconnected": counts[DISCONNECTED],
        "byStatus": {status: count for status, count in counts.items() if count},
        "memoryUsage": {"heapUsed": rss, "heapTotal": rss, "rss": rss},
    }


def _time(at: float | None) -> str | None:
    return None if at is None else iso8601(at)


def _restriction(session: Session) -> dict[str, Json] | None:
    """Return what WhatsApp restricts; a reason that a former version stored does not say what."""
    if session.reason is None or session.reason.code is not ReasonCode.RESTRICTED:
        return None
    facts = session.reason.facts if isinstance(session.reason.facts, Restriction) else Restriction(kind="unknown")
    return {"kind": facts.kind, "code": facts.code or facts.kind, "expiresAt": facts.expires_at}
