"""The API keys on disk: who may do what; the secret itself is shown once and kept as a hash only."""

import hashlib
import hmac
import re
import secrets
import sqlite3
from dataclasses import dataclass
from enum import StrEnum

from openwa_manager.domain.events import matches
from openwa_manager.domain.session import SessionId
from openwa_manager.store.columns import json_texts, query, text, to_json

_KEY = re.compile(r"owm_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class Role(StrEnum):
    """What a key may do; each role also what the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Tell whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One caller's permission; `sessions` are patterns (events.matches), `expires_at` None means never."""

    key_id: str
    name: str
    role: Role
    sessions: tuple[str, ...] = ("*",)
    qr: bool = False
    created_at: float
    expires_at: float | None = None

    def may_see(self, session_id: SessionId) -> bool:
        """Tell whether the session exists as far as this key is concerned."""
        return any(matches(pattern, session_id) for pattern in self.sessions)


def new_key() -> tuple[str, str]:
    """Return the id of a new key and its text `owm_<id>_<secret>`, of which 256 bits are secret."""
    key_id = secrets.token_hex(6)
    return key_id, f"owm_{key_id}_{secrets.token_urlsafe(32)}"


def save_key(connection: sqlite3.Connection, key: ApiKey, key_text: str) -> None:
    """Record a key with the hash of its text."""
    row = {
        "key_id": key.key_id,
        "name": text(key.name),
        "secret_hash": _hash(key_text),
        "role": key.role,
        "sessions": to_json(key.sessions),
        "qr": key.qr,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
    }
    connection.execute(
        """
        INSERT OR REPLACE INTO api_key
        VALUES (:key_id, :name, :secret_hash, :role, :sessions, :qr, :created_at, :expires_at)""",
        row,
    )


def find_key(connection: sqlite3.Connection, key_text: str, at: float) -> ApiKey | None:
    """Return the key whose text this is; None for a wrong, unknown or expired one."""
    form = _KEY.fullmatch(key_text)
    row = query(connection, "SELECT * FROM api_key WHERE key_id = ?", (form[1],)).fetchone() if form else None
    # No salt and no slow hash: nobody guesses 256 random bits.
    if row is None or not hmac.compare_digest(row["secret_hash"], _hash(key_text)):
        return None
    key = _key_of(row)
    return None if key.expires_at is not None and key.expires_at <= at else key


def load_keys(connection: sqlite3.Connection) -> list[ApiKey]:
    """Return all keys, oldest first."""
    return [_key_of(row) for row in query(connection, "SELECT * FROM api_key ORDER BY created_at, key_id")]


def remove_key(connection: sqlite3.Connection, key_id: str) -> bool:
    """Revoke a key; False when there is none of this id."""
    return connection.execute("DELETE FROM api_key WHERE key_id = ?", (key_id,)).rowcount > 0


def _hash(key_text: str) -> str:
    return hashlib.sha256(key_text.encode()).hexdigest()


def _key_of(row: sqlite3.Row) -> ApiKey:
    return ApiKey(
        key_id=row["key_id"],
        name=row["name"],
        role=Role(row["role"]),
        sessions=json_texts(row["sessions"]),
        qr=bool(row["qr"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )
