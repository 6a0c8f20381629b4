"""The API keys on disk; of their texts only the SHA-256."""

import sqlite3
from collections.abc import Mapping
from ipaddress import ip_network

from openwa_manager.domain.access.callers import KeyId
from openwa_manager.domain.access.keys import ApiKey
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.scopes import SessionScope
from openwa_manager.store.columns import json_texts, query, text, to_json

_SAVE = """
    INSERT INTO api_key VALUES (:key_id, :name, :role, :sessions, :has_qr, :has_chats, :allowed_ips, :rate_per_s,
        :rate_burst, :secret_sha256, :previous_sha256, :previous_until, :is_disabled, :expires_at, :created_at,
        :created_by, :last_used_at)
    ON CONFLICT (key_id) DO UPDATE SET name = excluded.name, role = excluded.role, sessions = excluded.sessions,
        has_qr = excluded.has_qr, has_chats = excluded.has_chats, allowed_ips = excluded.allowed_ips,
        rate_per_s = excluded.rate_per_s, rate_burst = excluded.rate_burst, secret_sha256 = excluded.secret_sha256,
        previous_sha256 = excluded.previous_sha256, previous_until = excluded.previous_until,
        is_disabled = excluded.is_disabled, expires_at = excluded.expires_at, created_at = excluded.created_at,
        created_by = excluded.created_by, last_used_at = excluded.last_used_at"""


def load_keys(connection: sqlite3.Connection) -> list[ApiKey]:
    """Return all keys, oldest first."""
    return [_key_of(row) for row in query(connection, "SELECT * FROM api_key ORDER BY created_at, key_id")]


def save_key(connection: sqlite3.Connection, key: ApiKey) -> None:
    """Record a key, new or changed."""
    row = {
        "key_id": key.key_id,
        "name": text(key.name),
        "role": key.role.value,
        "sessions": to_json(key.scope.patterns),
        "has_qr": key.has_qr,
        "has_chats": key.has_chats,
        "allowed_ips": to_json([str(each) for each in key.allowed_ips]),
        "rate_per_s": key.rate_per_s,
        "rate_burst": key.rate_burst,
        "secret_sha256": key.secret_sha256,
        "previous_sha256": key.previous_sha256,
        "previous_until": key.previous_until,
        "is_disabled": key.is_disabled,
        "expires_at": key.expires_at,
        "created_at": key.created_at,
        "created_by": text(key.created_by),
        "last_used_at": key.last_used_at,
    }
    connection.execute(_SAVE, row)


def remove_key(connection: sqlite3.Connection, key_id: KeyId) -> None:
    """Forget a key, if there is one of this id."""
    connection.execute("DELETE FROM api_key WHERE key_id = ?", (key_id,))


def note_use(connection: sqlite3.Connection, used: Mapping[KeyId, float]) -> None:
    """Record when keys were last used (wall time)."""
    rows = [(at, key_id) for key_id, at in used.items()]
    connection.executemany("UPDATE api_key SET last_used_at = ? WHERE key_id = ?", rows)


def _key_of(row: sqlite3.Row) -> ApiKey:
    return ApiKey(
        key_id=KeyId(row["key_id"]),
        name=row["name"],
        role=Role(row["role"]),
        scope=SessionScope(json_texts(row["sessions"])),
        has_qr=bool(row["has_qr"]),
        has_chats=bool(row["has_chats"]),
        allowed_ips=tuple(map(ip_network, json_texts(row["allowed_ips"]))),
        rate_per_s=row["rate_per_s"],
        rate_burst=row["rate_burst"],
        secret_sha256=row["secret_sha256"],
        previous_sha256=row["previous_sha256"],
        previous_until=row["previous_until"],
        is_disabled=bool(row["is_disabled"]),
        expires_at=row["expires_at"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        last_used_at=row["last_used_at"],
    )
