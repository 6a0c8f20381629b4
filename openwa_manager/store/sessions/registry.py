"""The sessions on disk: the row, the launches and the timeline of each, saved together with what they tell."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path

import structlog
from pydantic import TypeAdapter

from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.domain.foreign_json import make_safe
from openwa_manager.domain.session.reasons import Reason, ReasonCode, RowUnreadable
from openwa_manager.domain.session.session import (
    After,
    DataState,
    Desired,
    Ending,
    Identity,
    Launch,
    LaunchId,
    LinkState,
    ProcessState,
    Qr,
    Restarts,
    Session,
    SessionId,
    Spec,
    Step,
)
from openwa_manager.domain.texts import NAME_MAX, plain
from openwa_manager.store.columns import Column, members, query, text, to_json, upsert, within
from openwa_manager.store.delivery import outbox
from openwa_manager.store.sessions import engine_events, progress
from openwa_manager.store.sessions.reasons import reason_of, reason_to_json

_log = structlog.get_logger()

#: How many steps of each session are kept.
STEPS_KEPT = 500
#: How many launches of each session are kept, the current one among them.
LAUNCHES_KEPT = 100

_DATA = TypeAdapter(DataState | None)
_ENDING = TypeAdapter(Ending | None)
_QR = TypeAdapter(Qr | None)
_RESTARTS = TypeAdapter(Restarts)
_STRINGS = TypeAdapter(dict[str, str])
_EVIDENCE = TypeAdapter(dict[str, str | int | float | bool | None])

_SPEC_SCALARS = ("user_id", "engine", "proxy_url", "memory_limit_bytes", "build")
_SESSION_SCALARS = (
    "session_id",
    "engine_key",
    "inner_id",
    "desired",
    "process",
    "link",
    "launch_count",
    "qr_seq",
    "qr_attempts",
    "phone_number",
    "push_name",
    "pairing_started_at",
    "wanted_number",
    "created_at",
    "updated_at",
    "started_at",
    "connected_at",
    "last_connected_at",
    "last_seen_at",
)
#: What a session keeps whose other columns cannot be read: any value of these fits its field.
_KEPT_OF_UNREADABLE = (
    "inner_id",
    "launch_count",
    "qr_seq",
    "phone_number",
    "push_name",
    "wanted_number",
    "last_connected_at",
    "last_seen_at",
)
_SESSION_NESTED = ("labels", "env", "reason", "launch_id", "ending", "qr", "restarts")
_LAUNCH_SCALARS = ("launch_id", "number", "port", "secret", "cause", "launched_at", "build")


#: The numbers of its events are given out by store/delivery/numbering.py.
_SAVE_SESSION = upsert("session", (*_SESSION_SCALARS, *_SPEC_SCALARS, *_SESSION_NESTED), zeros=("event_seq",))
_SAVE_LAUNCH = upsert("launch", (*_LAUNCH_SCALARS, "session_id", "socket", "boot_id", "pid", "started", "data"))
_PRUNE_LAUNCHES = "DELETE FROM launch WHERE session_id = ? AND number <= ?"
_PRUNE_STEPS = "DELETE FROM step WHERE session_id = ? AND number <= ?"
_LOAD = """
    SELECT session.*, launch.number, launch.port, launch.secret, launch.cause, launch.launched_at,
           launch.socket, launch.boot_id, launch.pid, launch.started, launch.data, launch.build AS launch_build
    FROM session LEFT JOIN launch USING (launch_id)"""
_LOAD_SESSIONS = f"{_LOAD} ORDER BY session.created_at, session.session_id"
_LOAD_SESSION = f"{_LOAD} WHERE session.session_id = ?"


def save_session(
    connection: sqlite3.Connection,
    session: Session,
    steps: Sequence[Step],
    events: Sequence[Event],
    saved: Session | None = None,
) -> list[StoredEvent]:
    """Record the session, the steps that led there and the events that tell of it; return the events as stored.

    A launch the session no longer has is closed with the `exit_code` and `signal` in the steps' evidence. `saved` is
    the session as it is on disk (None: unknown); nearly always only its progress differs, and only that is written.
    """
    if progress.is_progress(saved, session):
        progress.save(connection, [session])
    else:
        _save_whole(connection, session, steps, saved)
    if steps:
        _add_steps(connection, session.session_id, steps)
    return outbox.append(connection, events)


def last_launches(connection: sqlite3.Connection) -> dict[SessionId, LaunchId]:
    """Return the last launch of every session that has none now."""
    sql = """
        SELECT session_id, launch.launch_id, max(number) FROM launch JOIN session USING (session_id)
        WHERE session.launch_id IS NULL GROUP BY session_id"""
    return {SessionId(session_id): LaunchId(launch_id) for session_id, launch_id, _ in connection.execute(sql)}


def _save_whole(connection: sqlite3.Connection, session: Session, steps: Sequence[Step], saved: Session | None) -> None:
    launch, former = session.launch, saved.launch if saved is not None else None
    former_id = former.launch_id if former else None if saved is not None else _launch_on_disk(connection, session)
    if former_id is not None and (launch is None or launch.launch_id != former_id):
        _close_launch(connection, former_id, session.updated_at, steps)
    connection.execute(_SAVE_SESSION, _session_row(session))
    if launch is not None and launch != former:
        connection.execute(_SAVE_LAUNCH, _launch_row(session.session_id, launch))
        oldest_kept = launch.number - LAUNCHES_KEPT
        if oldest_kept > 0:
            connection.execute(_PRUNE_LAUNCHES, (session.session_id, oldest_kept))


def remove_session(connection: sqlite3.Connection, session_id: SessionId) -> None:
    """Forget the session, its launches, timeline and engine's keys; its events stay until they are delivered.

    With the row goes what numbers its events: all of them are to be stored before.
    """
    connection.execute("DELETE FROM session WHERE session_id = ?", (session_id,))
    engine_events.forget_session(connection, session_id)


def is_to_stay(connection: sqlite3.Connection, session_id: SessionId) -> bool:
    """Tell whether there is such a session, and nobody has asked for its deletion."""
    return connection.execute(_IS_TO_STAY, (session_id, After.DELETE.value)).fetchone() is not None


_IS_TO_STAY = """
    SELECT 1 FROM session WHERE session_id = ?
        AND ifnull(iif(json_valid(ending), json_extract(ending, '$.after'), NULL), '') <> ?"""


def load_sessions(connection: sqlite3.Connection) -> list[Session]:
    """Return all sessions as they were saved, oldest first; one that cannot be read comes back as failed."""
    with _any_text(connection):
        return [_session_of(row) for row in query(connection, _LOAD_SESSIONS)]


def load_session(connection: sqlite3.Connection, session_id: SessionId) -> Session | None:
    """Return one session as it was saved, or as failed if it cannot be read; None when there is none."""
    with _any_text(connection):
        row = query(connection, _LOAD_SESSION, (session_id,)).fetchone()
    return _session_of(row) if row else None


@contextmanager
def _any_text(connection: sqlite3.Connection) -> Iterator[None]:
    """Read text that is not UTF-8 too: SQLite lets it in, and one such row would end the whole query."""
    connection.text_factory = lambda stored: stored.decode(errors="replace")
    try:
        yield
    finally:
        connection.text_factory = str


def step_before(connection: sqlite3.Connection, session_id: SessionId, limit: int, max_bytes: int) -> int:
    """Return the number behind which the session's newest steps begin: `limit`, or as many as are not too large.

    They begin with the newest in any case.
    """
    sql = "SELECT number, length(evidence) AS size FROM step WHERE session_id = ? ORDER BY number DESC LIMIT ?"
    rows, _ = within(query(connection, sql, (session_id, limit)), itemgetter("size"), max_bytes)
    return int(rows[-1]["number"]) - 1 if rows else 0


def read_steps(connection: sqlite3.Connection, session_id: SessionId, after: int) -> list[tuple[int, Step]]:
    """Return some steps with a higher number than `after`, each with its own, as they happened; none at the end."""
    sql = "SELECT * FROM step WHERE session_id = ? AND number > ? ORDER BY number"
    rows, _ = within(query(connection, sql, (session_id, after)), lambda row: len(row["evidence"]))
    return [(row["number"], _step_of(row)) for row in rows]


def _launch_on_disk(connection: sqlite3.Connection, session: Session) -> LaunchId | None:
    row = connection.execute("SELECT launch_id FROM session WHERE session_id = ?", (session.session_id,)).fetchone()
    return row[0] if row else None


def _close_launch(connection: sqlite3.Connection, launch_id: LaunchId, at: float, steps: Iterable[Step]) -> None:
    evidence = {key: value for step in steps for key, value in step.evidence.items()}
    connection.execute(
        "UPDATE launch SET ended_at = ?, exit_code = ?, signal = ? WHERE launch_id = ?",
        (at, evidence.get("exit_code"), evidence.get("signal"), launch_id),
    )


def _add_steps(connection: sqlite3.Connection, session_id: SessionId, steps: Sequence[Step]) -> None:
    (last,) = connection.execute(
        "SELECT coalesce(max(number), 0) FROM step WHERE session_id = ?", (session_id,)
    ).fetchone()
    connection.executemany(
        "INSERT INTO step (session_id, number, at, stimulus, decision, evidence) VALUES (?, ?, ?, ?, ?, ?)",
        (
            (session_id, number, step.at, text(step.stimulus), text(step.decision), to_json(step.evidence))
            for number, step in enumerate(steps, last + 1)
        ),
    )
    oldest_kept = last + len(steps) - STEPS_KEPT
    if oldest_kept > 0:
        connection.execute(_PRUNE_STEPS, (session_id, oldest_kept))


def _session_row(session: Session) -> dict[str, Column]:
    return {
        **_scalars(session, _SESSION_SCALARS),
        **_scalars(session.spec, _SPEC_SCALARS),
        "labels": to_json(session.spec.labels),
        "env": to_json(session.spec.env),
        "reason": reason_to_json(session.reason),
        "launch_id": session.launch.launch_id if session.launch else None,
        "ending": _nested(session.ending),
        "qr": _nested(session.qr),
        "restarts": _nested(session.restarts),
    }


def _launch_row(session_id: SessionId, launch: Launch) -> dict[str, Column]:
    identity = launch.identity
    return {
        **_scalars(launch, _LAUNCH_SCALARS),
        "session_id": session_id,
        "socket": os.fsencode(launch.socket) if launch.socket else None,
        "boot_id": identity.boot_id if identity else None,
        "pid": identity.pid if identity else None,
        "started": identity.started if identity else None,
        "data": _nested(launch.data),
    }


def _scalars(value: Session | Spec | Launch, names: Iterable[str]) -> dict[str, Column]:
    """Return the named fields that fit a column as they are; text made storable."""
    fields = ((name, getattr(value, name)) for name in names)
    return {name: text(field) if isinstance(field, str) else field for name, field in fields}


def _nested(value: Ending | Qr | Restarts | DataState | None) -> str | None:
    return None if value is None else to_json(members(value))


def _session_of(row: sqlite3.Row) -> Session:
    try:
        return _whole_session_of(row)
    except ValueError as error:  # pydantic's too
        # What follows may quote the row, with what is secret in it, or name one of our classes.
        why = plain(str(error).partition("\n")[0].partition(" for ")[0])
        _log.error("session_row_unreadable", session_id=row["session_id"], error=why)
        return _failed_session_of(row, why)


def _failed_session_of(row: sqlite3.Row, why: str) -> Session:
    """Return what can be told of a session whose row cannot be read; it waits for a person, and nobody starts it.

    Its numbers go on, so that no event is taken for an older one. A live engine of it is found as one that the registry
    does not know.
    """
    return Session(
        session_id=SessionId(row["session_id"]),
        spec=Spec(
            user_id=row["user_id"],
            engine=row["engine"],
            labels=_strings_or_empty(row["labels"]),
            env=_strings_or_empty(row["env"]),
            proxy_url=row["proxy_url"],
            memory_limit_bytes=row["memory_limit_bytes"],
            build=row["build"],
        ),
        engine_key=row["engine_key"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        process=ProcessState.FAILED,
        reason=Reason(
            code=ReasonCode.INTERNAL_ERROR,
            facts=RowUnreadable(error=why),
            at=row["updated_at"],
        ),
        **{name: row[name] for name in _KEPT_OF_UNREADABLE},
    )


def _name_of(stored: str | None) -> str | None:
    """Return a name as long as names are; versions before 0.3 took any."""
    return stored and stored[:NAME_MAX]


def _strings_or_empty(stored: str) -> dict[str, str]:
    try:
        return _STRINGS.validate_json(make_safe(stored))
    except ValueError:
        return {}


def _whole_session_of(row: sqlite3.Row) -> Session:
    return Session(
        session_id=SessionId(row["session_id"]),
        spec=Spec(
            user_id=row["user_id"],
            engine=row["engine"],
            labels=_STRINGS.validate_json(make_safe(row["labels"])),
            env=_STRINGS.validate_json(make_safe(row["env"])),
            proxy_url=row["proxy_url"],
            memory_limit_bytes=row["memory_limit_bytes"],
            build=row["build"],
        ),
        engine_key=row["engine_key"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        desired=Desired(row["desired"]),
        process=ProcessState(row["process"]),
        link=LinkState(row["link"]),
        reason=reason_of(row["reason"]),
        launch=_launch_of(row) if row["launch_id"] is not None else None,
        launch_count=row["launch_count"],
        ending=_ENDING.validate_json(make_safe(row["ending"] or "null")),
        qr=_QR.validate_json(make_safe(row["qr"] or "null")),
        qr_seq=row["qr_seq"],
        qr_attempts=row["qr_attempts"],
        pairing_started_at=row["pairing_started_at"],
        wanted_number=row["wanted_number"],
        restarts=_RESTARTS.validate_json(make_safe(row["restarts"])),
        inner_id=row["inner_id"],
        phone_number=_name_of(row["phone_number"]),
        push_name=_name_of(row["push_name"]),
        started_at=row["started_at"],
        connected_at=row["connected_at"],
        last_connected_at=row["last_connected_at"],
        last_seen_at=row["last_seen_at"],
    )


def _launch_of(row: sqlite3.Row) -> Launch:
    return Launch(
        launch_id=LaunchId(row["launch_id"]),
        number=row["number"],
        port=row["port"],
        secret=row["secret"],
        cause=ReasonCode(row["cause"]),
        launched_at=row["launched_at"],
        socket=Path(os.fsdecode(row["socket"])) if row["socket"] else None,
        identity=_identity_of(row),
        data=_DATA.validate_json(make_safe(row["data"] or "null")),
        build=row["launch_build"],
    )


def _identity_of(row: sqlite3.Row) -> Identity | None:
    if row["pid"] is None:
        return None
    return Identity(boot_id=row["boot_id"], pid=row["pid"], started=row["started"])


def _step_of(row: sqlite3.Row) -> Step:
    return Step(
        session_id=SessionId(row["session_id"]),
        at=row["at"],
        stimulus=row["stimulus"],
        decision=row["decision"],
        evidence=_EVIDENCE.validate_json(make_safe(row["evidence"])),
    )
