"""The webhooks that users keep at their sessions' engines, and what else is known of an engine that does not run."""

import sqlite3
from collections.abc import Iterable, Mapping

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.delivery.user_webhooks import KeptChanges, UserWebhook
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.columns import Row, json_object, query, text, to_json, within

_SAVE = """
    INSERT INTO user_webhook VALUES (:token, :session_id, :webhook_id, :url, :secret, :relay_secret, :record,
        :is_deleted, :pending)
    ON CONFLICT (token) DO UPDATE SET webhook_id = excluded.webhook_id, url = excluded.url, secret = excluded.secret,
        relay_secret = excluded.relay_secret, record = excluded.record, is_deleted = excluded.is_deleted,
        pending = excluded.pending"""
_CONFIG = "config"


def save_webhooks(connection: sqlite3.Connection, webhooks: Iterable[UserWebhook]) -> None:
    """Record webhooks, new or changed; those of a session that is gone meanwhile are left out."""
    for webhook in webhooks:
        if connection.execute("SELECT 1 FROM session WHERE session_id = ?", (webhook.session_id,)).fetchone():
            connection.execute(_SAVE, _row_of(webhook))


def remove_webhooks(connection: sqlite3.Connection, tokens: Iterable[str]) -> None:
    """Forget webhooks; one that is not known is fine."""
    connection.executemany("DELETE FROM user_webhook WHERE token = ?", [(token,) for token in tokens])


def find_webhook(connection: sqlite3.Connection, token: str) -> UserWebhook | None:
    """Return the webhook with this token; None when there is none."""
    row = query(connection, "SELECT * FROM user_webhook WHERE token = ?", (token,)).fetchone()
    return None if row is None else _webhook_of(row)


def webhooks_of(connection: sqlite3.Connection, session_id: SessionId | None) -> list[UserWebhook]:
    """Return the webhooks of a session, newest first, the deleted ones too; of all sessions for None."""
    if session_id is None:
        rows = query(connection, "SELECT * FROM user_webhook ORDER BY rowid DESC")
    else:
        rows = query(connection, "SELECT * FROM user_webhook WHERE session_id = ? ORDER BY rowid DESC", (session_id,))
    return [_webhook_of(row) for row in rows]


def list_webhooks(connection: sqlite3.Connection, before: int | None = None) -> list[tuple[int, UserWebhook]]:
    """Return some webhooks of all sessions, newest first, the deleted ones too; none when there are no others.

    Each comes with its place; `before` is that of the last one known.
    """
    sql = "SELECT rowid AS place, * FROM user_webhook WHERE rowid < ? ORDER BY rowid DESC LIMIT 100"
    rows = query(connection, sql, (_LAST_PLACE if before is None else before,))
    fitting, _ = within(rows, lambda row: len(row["record"]))
    return [(row["place"], _webhook_of(row)) for row in fitting]


#: SQLite's largest rowid.
_LAST_PLACE = 2**63 - 1


def load_changes(connection: sqlite3.Connection, session_id: SessionId) -> KeptChanges:
    """Return what was changed while the session's engine did not run."""
    known = webhooks_of(connection, session_id)[::-1]
    row = query(
        connection, "SELECT pending FROM engine_copy WHERE session_id = ? AND name = ?", (session_id, _CONFIG)
    ).fetchone()
    return KeptChanges(
        webhooks=tuple(each for each in known if each.pending is not None and not each.is_deleted),
        deleted_ids=frozenset(each.webhook_id for each in known if each.is_deleted and each.webhook_id is not None),
        config=None if row is None or row["pending"] is None else json_object(row["pending"]),
    )


def keep_config(
    connection: sqlite3.Connection, session_id: SessionId, whole: Json, changes: Mapping[str, Json] | None
) -> None:
    """Record the configuration as it is shown, and what of it the engine is yet to be told (None: nothing)."""
    save_copy(connection, session_id, _CONFIG, whole)
    connection.execute(
        "UPDATE engine_copy SET pending = ? WHERE session_id = ? AND name = ?",
        (None if changes is None else to_json(dict(changes)), session_id, _CONFIG),
    )


def save_copy(connection: sqlite3.Connection, session_id: SessionId, name: str, body: Json) -> None:
    """Keep what an engine answered last under this name."""
    connection.execute(
        "INSERT INTO engine_copy (session_id, name, body) SELECT session_id, ?, ? FROM session WHERE session_id = ?"
        " ON CONFLICT (session_id, name) DO UPDATE SET body = excluded.body",
        (name, to_json({"body": body}), session_id),
    )


def load_copy(connection: sqlite3.Connection, session_id: SessionId, name: str) -> Json:
    """Return what an engine answered last under this name; None when it never did."""
    row = query(
        connection, "SELECT body FROM engine_copy WHERE session_id = ? AND name = ?", (session_id, name)
    ).fetchone()
    return None if row is None else json_object(row["body"])["body"]


def _row_of(webhook: UserWebhook) -> Row:
    return {
        "token": webhook.token,
        "session_id": webhook.session_id,
        "webhook_id": webhook.webhook_id,
        "url": text(webhook.url),
        "secret": None if webhook.secret is None else text(webhook.secret),
        "relay_secret": webhook.relay_secret,
        "record": to_json(dict(webhook.record)),
        "is_deleted": webhook.is_deleted,
        "pending": None if webhook.pending is None else to_json(dict(webhook.pending)),
    }


def _webhook_of(row: sqlite3.Row) -> UserWebhook:
    return UserWebhook(
        token=row["token"],
        session_id=SessionId(row["session_id"]),
        webhook_id=row["webhook_id"],
        url=row["url"],
        secret=row["secret"],
        relay_secret=row["relay_secret"],
        record=json_object(row["record"]),
        is_deleted=bool(row["is_deleted"]),
        pending=None if row["pending"] is None else json_object(row["pending"]),
    )
