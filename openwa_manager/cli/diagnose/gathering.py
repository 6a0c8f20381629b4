"""Gathers what is told of a session: only members that are named here, so that nothing new slips in."""

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Final, cast

from openwa_manager.cli.client import Client
from openwa_manager.cli.errors import CommandFailedError
from openwa_manager.cli.listing import list_sessions
from openwa_manager.domain.diagnosis.endpoint_rules import subject_of
from openwa_manager.domain.diagnosis.findings import HOST
from openwa_manager.domain.errors import SessionNotFoundError

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_SESSION: Final = (
    *("session_id", "engine", "status", "reason", "desired", "pid", "port", "qr", "restarts", "usage", "created_at"),
    *("started_at", "connected_at", "last_connected_at", "last_seen_at", "updated_at"),
)
_EVENT: Final = (
    *("id", "type", "timestamp", "seq", "launch", "status", "previous", "reason", "reason_detail", "exit_code"),
    *("signal", "attempt", "delay_s", "error_code", "hold", "waiting"),
)
_MESSAGE: Final = (
    *("message_id", "batch_id", "route", "priority", "kind", "status", "hold", "error_code", "error_detail"),
    *("attempts", "position", "is_first_contact", "ack_overdue", "created_at", "send_after", "expires_at", "sent_at"),
    *("delivered_at", "read_at", "ended_at"),
)
_DELIVERY: Final = (
    *("event_id", "event_type", "endpoint_id", "state", "attempts", "occurred_at", "last_tried_at", "last_status"),
    *("last_error", "next_at", "settled_at"),
)
_ENDPOINT: Final = (
    *("endpoint_id", "url", "events", "active", "status", "disabled_reason", "pending_count", "rotated_at"),
    *("last_status", "last_error", "down_since", "next_probe_at"),
)
#: Stands in a member instead of what could not be had.
_NOT_TOLD: Final = "not_told"
_REASON: Final = ("code", "detail", "at")
_STEP: Final = ("at", "stimulus", "decision")
#: Beside a step; the log that a crash left is not among it, for `engine.log` tells what of it can be told.
_EVIDENCE: Final = (
    *("launch", "port", "cause", "build", "pid", "exit_code", "signal", "found_dead", "report", "detail", "limit"),
    *("loss", "kind", "count", "seq", "attempt", "delay_s", "limit_s"),
)
_WAITING: Final = ("waiting", "hold", "detail", "until")
_COMING: Final = ("decision", "at")
_SYSTEM: Final = ("engine", "version", "python", "platform", "started_at", "sessions")
_FINDING: Final = ("code", "level", "subject", "detail", "cure")
_QUEUE: Final = (
    *("state", "profile", "hold", "length", "by_status", "by_hold", "next_message_id", "gap", "sent_per_minute"),
    *("sent_per_hour", "failure_rate", "seconds_per_send", "first_contacts_today", "first_contacts_left"),
    *("estimated_at",),
)
_HEALTH: Final = ("healthy", "process", "engine", "link", "last_seen_at")
_CHECK: Final = ("name", "is_ok", "detail")
_CHECK_EVIDENCE: Final = (
    *("pid", "launch", "port", "misses", "answered_at", "written_at", "size_bytes", "last_seen_at", "seq", "attempt"),
    *("produced_at", "expires_at", "waiting"),
)
STEPS, EVENTS, MESSAGES, DELIVERIES = 200, 200, 100, 100


def other_sessions(client: Client, session_id: str) -> Iterator[str]:
    """Yield the ids of the other sessions, which a report about this one must not name; raises as `Client.get`."""
    sessions = cast("Sequence[Mapping[str, str]]", list_sessions(client, {}))
    yield from (each["session_id"] for each in sessions if each["session_id"] != session_id)


def members(client: Client, session_id: str) -> "Iterator[tuple[str, Json]]":
    """Yield name and content of each document about a session.

    Raises:
        SessionNotFoundError: there is no such session.
        NotReachableError: no daemon answers.
    """
    path = f"/v1/sessions/{session_id}"
    session = cast("Mapping[str, Json]", client.get(path))
    labels = session["labels"]
    named = {"label_names": sorted(labels) if isinstance(labels, Mapping) else None}
    linked = {"has_phone_number": session["phone_number"] is not None, "has_user_id": session["user_id"] is not None}
    yield "session.json", {**_picked(session, _SESSION), **named, **linked}
    yield "versions.json", {"openwa-manager": metadata.version("openwa-manager"), "python": platform.python_version()}
    yield "system.json", _of(client, "/v1/system", _SYSTEM)
    yield "doctor.json", [*_findings(client, session_id, {"session_id": session_id}), *_findings(client, session_id)]
    yield "why.json", _why(client, path)
    yield "queue.json", _of(client, f"{path}/queue", _QUEUE)
    yield "health.json", _health(client, path)
    yield "events.json", _some(client, f"{path}/events", "events", _EVENT, {"tail": EVENTS})
    yield "messages.json", _some(client, f"{path}/messages", "messages", _MESSAGE, {"limit": MESSAGES})
    of_session: Mapping[str, str | int] = {"session_id": session_id, "limit": DELIVERIES}
    yield "deliveries.json", _some(client, "/v1/deliveries", "deliveries", _DELIVERY, of_session)
    yield "endpoints.json", _some(client, "/v1/endpoints", "endpoints", _ENDPOINT, {})


def _asked(client: Client, path: str, query: Mapping[str, str | int] | None = None) -> "Json":
    """Return what is answered; what cannot be had is told by its error, for the rest may still help."""
    try:
        return client.get(path, query)
    except (CommandFailedError, SessionNotFoundError) as error:  # an ill session's health is a 503
        return {_NOT_TOLD: str(error)}


def _some(client: Client, path: str, name: str, fields: Iterable[str], query: Mapping[str, str | int]) -> "Json":
    answer = _asked(client, path, query)
    found = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(found, Sequence):
        return answer
    return [_picked(each, fields) for each in found if isinstance(each, Mapping)]


def _of(client: Client, path: str, fields: Iterable[str]) -> "dict[str, Json]":
    """Return these fields of what is answered."""
    answer = _asked(client, path)
    return _picked(answer, (*fields, _NOT_TOLD)) if isinstance(answer, Mapping) else {}


def _findings(client: Client, session_id: str, query: Mapping[str, str | int] | None = None) -> "Iterator[Json]":
    """Yield what the doctor says of the host, the endpoints and this session, and of no other."""
    answer = _asked(client, "/v1/doctor", query)
    found = _each(answer, "findings", _FINDING)
    for each in found:
        subject = str(each.get("subject"))
        if subject in {HOST, session_id} or subject.startswith(subject_of("")):
            yield each
    if isinstance(answer, Mapping) and _NOT_TOLD in answer:
        yield answer


def _why(client: Client, path: str) -> "Json":
    answer = _asked(client, f"{path}/why", {"limit": STEPS})
    if not isinstance(answer, Mapping) or _NOT_TOLD in answer:
        return answer
    steps = answer.get("steps")
    return {
        **_picked(answer, ("status",)),
        "reason": _part(answer, "reason", _REASON),
        "messages": _part(answer, "messages", _WAITING),
        "steps": [
            {**_picked(each, _STEP), "evidence": _part(each, "evidence", _EVIDENCE)}
            for each in (steps if isinstance(steps, Sequence) else ())
            if isinstance(each, Mapping)
        ],
        "coming": _each(answer, "coming", _COMING),
    }


def _health(client: Client, path: str) -> "Json":
    answer = _asked(client, f"{path}/health")
    if not isinstance(answer, Mapping) or _NOT_TOLD in answer:
        return answer
    checks = answer.get("checks")
    return {
        **_picked(answer, _HEALTH),
        "checks": [
            {**_picked(each, _CHECK), "evidence": _part(each, "evidence", _CHECK_EVIDENCE)}
            for each in (checks if isinstance(checks, Sequence) else ())
            if isinstance(each, Mapping)
        ],
    }


def _part(document: "Mapping[str, Json]", name: str, fields: Iterable[str]) -> "Json":
    part = document.get(name)
    return _picked(part, fields) if isinstance(part, Mapping) else None


def _each(document: "Json", name: str, fields: Iterable[str]) -> "list[dict[str, Json]]":
    parts = document.get(name) if isinstance(document, Mapping) else None
    return [_picked(each, fields) for each in parts if isinstance(each, Mapping)] if isinstance(parts, Sequence) else []


def _picked(document: "Mapping[str, Json]", fields: Iterable[str]) -> "dict[str, Json]":
    return {name: document[name] for name in fields if name in document}
