"""How much is kept of messages that have ended, and how long; their counts stay."""

import sqlite3
from collections.abc import Sequence

from openwa_manager.domain.messaging.policy import MessageRetention
from openwa_manager.store.columns import to_json
from openwa_manager.store.messaging.messages import ROW_BYTES

#: How many rows one write wipes or removes at most: other writes wait meanwhile.
SLICE = 100
#: An acknowledgement that no answer has claimed for so long belongs to no message of ours.
_EARLY_ACK_S = 3600.0


def forget_old(connection: sqlite3.Connection, at: float, retention: MessageRetention) -> int:
    """Forget some of what is kept no longer at wall time `at`; return how many rows, 0 when nothing is left to do."""
    wiped = connection.execute(_WIPE, (ROW_BYTES, at - retention.body_s, SLICE)).rowcount
    return (
        wiped
        or remove_messages(connection, _ended_before(connection, at - retention.message_s))
        or _remove_batches(connection, at - retention.message_s)
        or connection.execute(_EARLY_ACKS, (at - _EARLY_ACK_S, SLICE)).rowcount
    )


_WIPE = """
    UPDATE message SET body = NULL, size_bytes = ?
    WHERE seq IN (SELECT seq FROM message INDEXED BY message_with_body
                  WHERE ended_at IS NOT NULL AND body IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT ?)"""
_EARLY_ACKS = """
    DELETE FROM early_ack WHERE seq IN (SELECT seq FROM early_ack WHERE at < ? LIMIT ?)"""


def _ended_before(connection: sqlite3.Connection, at: float) -> list[int]:
    sql = """
        SELECT seq FROM message INDEXED BY message_ended
        WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT ?"""
    return [seq for (seq,) in connection.execute(sql, (at, SLICE))]


def remove_messages(connection: sqlite3.Connection, seqs: Sequence[int]) -> int:
    """Remove these messages, all of which have ended, and their attempts; the tally goes on counting them."""
    if not seqs:
        return 0
    wanted = to_json(list(seqs))
    counts = connection.execute(_COUNT, (wanted,)).fetchall()
    removed = connection.execute("DELETE FROM message WHERE seq IN (SELECT value FROM json_each(?))", (wanted,))
    connection.executemany(_COUNT_ON, counts)
    return removed.rowcount


_COUNT = """
    SELECT session_id, batch_id, status, is_first_contact, count(*) FROM message
    WHERE seq IN (SELECT value FROM json_each(?)) GROUP BY session_id, batch_id, status, is_first_contact"""
_COUNT_ON = """
    INSERT INTO message_tally VALUES (?, ?, ?, ?, ?, 0)
    ON CONFLICT DO UPDATE SET message_count = message_count + excluded.message_count"""


def _remove_batches(connection: sqlite3.Connection, at: float) -> int:
    """Remove batches that ended before wall time `at` and have no messages left; their sessions keep the counts."""
    old = connection.execute(_OLD_BATCHES, (at, SLICE)).fetchall()
    for (batch_id,) in old:
        counts = connection.execute(_COUNTS_OF_BATCH, (batch_id,)).fetchall()
        connection.execute("DELETE FROM message_tally WHERE batch_id = ?", (batch_id,))
        connection.execute("DELETE FROM batch WHERE batch_id = ?", (batch_id,))
        connection.executemany(_COUNT_ON, counts)
    return len(old)


_OLD_BATCHES = """
    SELECT batch_id FROM batch
    WHERE ended_at < ? AND NOT EXISTS (
        SELECT 1 FROM message INDEXED BY message_by_batch
        WHERE message.batch_id = batch.batch_id AND message.batch_id <> '')
    LIMIT ?"""
_COUNTS_OF_BATCH = """
    SELECT session_id, '', status, is_first_contact, message_count FROM message_tally
    WHERE batch_id = ? AND batch_id <> '' AND message_count > 0"""
