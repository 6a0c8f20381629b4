"""Batches: taken in piece by piece while nobody sees them, then there at once; and what becomes of them."""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.messaging.batches import Batch, BatchOrigin, BatchState, BatchTerms
from openwa_manager.domain.messaging.messages import BatchId, MessageId, MessageStatus, SendRoute
from openwa_manager.domain.messaging.windows import Window
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.store.columns import Column, Row, json_object, query, text, to_json
from openwa_manager.store.messaging import contacts, idempotency, messages, quotas

#: How many messages are written, removed or cancelled at once: other writes wait meanwhile.
SLICE = 500
#: A state in which messages of a batch may still be sent.
_GOING = (BatchState.ACTIVE, BatchState.PAUSED)


def add_batch(connection: sqlite3.Connection, batch: Batch) -> None:
    """Keep a new batch, without its messages."""
    row = _row_of(batch)
    columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO batch ({columns}) VALUES ({values})", row)  # noqa: S608 (our words)


def stage(connection: sqlite3.Connection, session_id: SessionId, rows: Sequence[Row]) -> int:
    """Keep some messages of a batch that is being taken in, and return how many of them are first contacts.

    Whom the session knows by now is none, whatever was thought of him before.
    """
    known = contacts.known_among(connection, session_id, [str(row["chat_id"]) for row in rows])
    if known:
        rows = [{**row, "is_first_contact": row["is_first_contact"] and row["chat_id"] not in known} for row in rows]
    messages.add_rows(connection, rows)
    return sum(bool(row["is_first_contact"]) for row in rows)


def publish(connection: sqlite3.Connection, batch_id: BatchId) -> bool:
    """Let everybody see a batch that was being taken in; return False when it is not there any more."""
    sql = "UPDATE batch SET state = 'active' WHERE batch_id = ? AND state = 'staging'"
    return connection.execute(sql, (batch_id,)).rowcount > 0


def has_staging(connection: sqlite3.Connection) -> bool:
    """Tell whether something is being taken in, or is left of what was."""
    sql = "SELECT 1 FROM batch WHERE ended_at IS NULL AND state = 'staging' LIMIT 1"
    return connection.execute(sql).fetchone() is not None


def remove_staging(connection: sqlite3.Connection) -> bool:
    """Remove a slice of what was being taken in; return False once nothing of it is left.

    With its last messages a batch goes, its key, and what it took of the quota. Nobody may be taking in one now.
    """
    sql = "SELECT * FROM batch WHERE ended_at IS NULL AND state = 'staging' LIMIT 1"
    row = query(connection, sql).fetchone()
    if row is None:
        return False
    sql = """
        DELETE FROM message WHERE seq IN (
            SELECT seq FROM message INDEXED BY message_by_batch
            WHERE batch_id = ? AND batch_id <> '' ORDER BY seq LIMIT ?)"""
    if connection.execute(sql, (row["batch_id"], SLICE)).rowcount < SLICE:
        _forget(connection, _batch_of(row))
    return True


def _forget(connection: sqlite3.Connection, batch: Batch) -> None:
    if batch.quota_month is not None:
        quotas.give_back(connection, batch.origin.user_key, batch.quota_month, batch.accepted_count)
    idempotency.forget_target(connection, batch.batch_id)
    connection.execute("DELETE FROM message_tally WHERE batch_id = ?", (batch.batch_id,))
    connection.execute("DELETE FROM batch WHERE batch_id = ?", (batch.batch_id,))


def find_batch(connection: sqlite3.Connection, batch_id: str) -> Batch | None:
    """Return the batch with this id; None when there is none, or it is still being taken in."""
    row = query(connection, "SELECT * FROM batch WHERE batch_id = ? AND state <> 'staging'", (batch_id,)).fetchone()
    return _batch_of(row) if row else None


def find_batches(connection: sqlite3.Connection, batch_ids: Sequence[str]) -> dict[BatchId, Batch]:
    """Return these batches, as far as there are any."""
    sql = "SELECT * FROM batch WHERE batch_id IN (SELECT value FROM json_each(?)) AND state <> 'staging'"
    found = [_batch_of(row) for row in query(connection, sql, (to_json(list(batch_ids)),))]
    return {batch.batch_id: batch for batch in found}


def read_page(
    connection: sqlite3.Connection, session_id: SessionId, before_id: BatchId | None, limit: int
) -> list[BatchId]:
    """Return ids of a session's batches that are older than another (None: from the newest on), newest first.

    Nothing is older than one that was forgotten, for the oldest are forgotten first, or than one of another session.
    """
    sql = """
        SELECT batch_id FROM batch
        WHERE session_id = :session_id AND state <> 'staging' AND (:before_id IS NULL
            OR (created_at, batch_id) < (
                SELECT created_at, batch_id FROM batch WHERE batch_id = :before_id AND session_id = :session_id))
        ORDER BY created_at DESC, batch_id DESC LIMIT :limit"""
    values: dict[str, Column] = {"session_id": session_id, "before_id": before_id, "limit": limit}
    return [BatchId(batch_id) for (batch_id,) in connection.execute(sql, values)]


def read_open(connection: sqlite3.Connection) -> list[Batch]:
    """Return the batches of which something has not ended, or whose end was not told, oldest first."""
    sql = "SELECT * FROM batch WHERE ended_at IS NULL AND state <> 'staging' ORDER BY created_at"
    return [_batch_of(row) for row in query(connection, sql)]


def count_batch(connection: sqlite3.Connection, batch_id: BatchId) -> dict[MessageStatus, int]:
    """Return how many messages of the batch are in each state in which there are any."""
    sql = """
        SELECT status, sum(message_count) FROM message_tally INDEXED BY message_tally_by_batch
        WHERE batch_id = ? AND batch_id <> '' GROUP BY status HAVING sum(message_count) > 0"""
    return {MessageStatus(status): int(count) for status, count in connection.execute(sql, (batch_id,))}


def set_batch_state(connection: sqlite3.Connection, batch_id: BatchId, state: BatchState, detail: str = "") -> bool:
    """Pause a batch, let it go on, or cancel it; return False when it has ended or is not there."""
    sql = """
        UPDATE batch SET state = ?, paused_detail = ?
        WHERE batch_id = ? AND ended_at IS NULL AND state IN (SELECT value FROM json_each(?))"""
    values = (state, text(detail) or None, batch_id, to_json([*_GOING]))
    return connection.execute(sql, values).rowcount > 0


def read_waiting(connection: sqlite3.Connection, batch_id: BatchId, limit: int = SLICE) -> list[MessageId]:
    """Return ids of messages of the batch that wait, at most `limit`."""
    sql = """
        SELECT message_id FROM message INDEXED BY message_by_batch
        WHERE batch_id = ? AND batch_id <> '' AND status = 'queued' ORDER BY seq LIMIT ?"""
    return [MessageId(message_id) for (message_id,) in connection.execute(sql, (batch_id, limit))]


def read_called_off(connection: sqlite3.Connection, batch_id: BatchId, after_seq: int) -> list[MessageId]:
    """Return ids of the messages that are called off because one did not get through: those behind it that wait.

    None are unless the batch stops on errors.
    """
    sql = "SELECT 1 FROM batch WHERE batch_id = ? AND stops_on_error = 1"
    if connection.execute(sql, (batch_id,)).fetchone() is None:
        return []
    sql = """
        SELECT message_id FROM message INDEXED BY message_by_batch
        WHERE batch_id = ? AND batch_id <> '' AND seq > ? AND status = 'queued' ORDER BY seq"""
    return [MessageId(message_id) for (message_id,) in connection.execute(sql, (batch_id, after_seq))]


def end_batch(connection: sqlite3.Connection, batch_id: BatchId, at: float) -> bool:
    """Note that the last message of a batch has ended and that this was told; return False when it was noted before."""
    sql = """
        UPDATE batch SET ended_at = ?, told_at = ?, state = CASE state WHEN 'cancelled' THEN state ELSE 'done' END
        WHERE batch_id = ? AND ended_at IS NULL AND state <> 'staging'"""
    return connection.execute(sql, (at, at, batch_id)).rowcount > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """How many messages of a batch were sent, and how many of those were replied to."""

    sent_count: int
    replied_count: int

    @property
    def share(self) -> float | None:
        """Return which part was replied to, from 0 to 1; None: nothing was sent."""
        return round(self.replied_count / self.sent_count, 4) if self.sent_count else None


def count_replies(connection: sqlite3.Connection, batch_id: BatchId) -> Replies:
    """Return how many messages of a batch were sent, and how many were replied to; reads each of them."""
    sql = "SELECT count(sent_at), count(replied_at) FROM message WHERE batch_id = ? AND batch_id <> ''"
    sent_count, replied_count = connection.execute(sql, (batch_id,)).fetchone()
    return Replies(sent_count=sent_count, replied_count=replied_count)


def _row_of(batch: Batch) -> dict[str, Column]:
    origin, terms = batch.origin, batch.terms
    return {
        "batch_id": batch.batch_id,
        "session_id": origin.session_id,
        "user_id": origin.user_id,
        "user_key": origin.user_key,
        "name": None if origin.name is None else text(origin.name),
        "route": origin.route,
        "state": batch.state,
        "window": None if terms.window is None else _window_json(terms.window),
        "send_after": terms.send_after,
        "expires_at": terms.expires_at,
        "accepted_count": batch.accepted_count,
        "rejected": to_json(batch.rejected),
        "quota_month": batch.quota_month,
        "stops_on_error": terms.stops_on_error,
        "gap_min_s": terms.gap_min_s,
        "created_at": batch.created_at,
        "told_at": batch.told_at,
        "ended_at": batch.ended_at,
    }


def _batch_of(row: sqlite3.Row) -> Batch:
    return Batch(
        batch_id=BatchId(row["batch_id"]),
        origin=BatchOrigin(
            session_id=SessionId(row["session_id"]),
            user_id=row["user_id"],
            name=row["name"],
            route=SendRoute(row["route"]),
        ),
        state=BatchState(row["state"]),
        terms=BatchTerms(
            expires_at=row["expires_at"],
            window=None if row["window"] is None else _window_of(row["window"]),
            send_after=row["send_after"],
            stops_on_error=bool(row["stops_on_error"]),
            gap_min_s=row["gap_min_s"],
        ),
        accepted_count=row["accepted_count"],
        created_at=row["created_at"],
        rejected=_counts_of(row["rejected"]),
        paused_detail=row["paused_detail"],
        quota_month=row["quota_month"],
        told_at=row["told_at"],
        ended_at=row["ended_at"],
    )


def _counts_of(stored: str) -> Mapping[str, int]:
    return {code: count for code, count in json_object(stored).items() if isinstance(count, int)}


def _window_json(window: Window) -> str:
    values: dict[str, Json] = {
        "from": window.first_minute,
        "to": window.last_minute,
        "zone": window.zone,
        "days": sorted(window.days),
    }
    return to_json(values)


@lru_cache(maxsize=256)
def _window_of(stored: str) -> Window:
    values = json_object(stored)
    first, last, zone, days = (values[name] for name in ("from", "to", "zone", "days"))
    if not (isinstance(first, int) and isinstance(last, int) and isinstance(zone, str) and isinstance(days, Sequence)):
        raise sqlite3.DataError("the window of a batch cannot be read")
    return Window(
        first_minute=first,
        last_minute=last,
        zone=zone,
        days=frozenset(day for day in days if isinstance(day, int)),
    )
