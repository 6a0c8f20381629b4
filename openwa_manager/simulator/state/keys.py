"""API keys: the first one is seeded at the first boot, scoped ones are made over the API."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from openwa_manager.simulator.clock import iso_now_whole
from openwa_manager.simulator.http.errors import refusal
from openwa_manager.simulator.http.wire import Json, Request
from openwa_manager.simulator.log import log
from openwa_manager.simulator.state.storage import KeyRow, Storage

ROLE_RANKS = {"viewer": 0, "operator": 1, "admin": 2}


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _fresh_key() -> str:
    return f"owa_k1_{os.urandom(32).hex()}"


def presented_key(request: Request) -> str | None:
    """Return the key a request carries in `X-API-Key` or as a bearer token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return request.headers.get("x-api-key") or (token if scheme == "Bearer" and token else None)


class Keys:
    """The API keys of this instance."""

    def __init__(self, storage: Storage, scope_status: int) -> None:
        self._storage = storage
        self._scope_status = scope_status

    def seed(self, master_key: str | None, key_file: Path) -> None:
        """Make the admin key of a new instance; a later, other `master_key` is ignored."""
        if self._storage.keys:
            return
        key = master_key or _fresh_key()
        if master_key is None:
            log(f"API key (shown once): {key}")
        self._storage.keys.put(self._row("Master Key", key, "admin", []))
        self._storage.save_keys()
        descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a Path cannot open a descriptor
            file.write(key)

    def find(self, key: str) -> KeyRow | None:
        """Return the row of a key, None when there is none."""
        wanted = _hash(key.strip())
        return next((row for row in self._storage.keys.values() if row.key_hash == wanted), None)

    def authorize(self, request: Request, session_id: str | None, role: str, *, is_global: bool = False) -> KeyRow:
        """Return the key behind a request. Raises: HttpError, DatabaseLostError."""
        key = presented_key(request)
        if key is None:
            raise refusal(401, "API key is required")
        self._storage.main.require_readable()
        row = self.find(key)
        if row is None:
            raise refusal(401, "Invalid API key")
        if not row.is_active:
            raise refusal(401, "API key is revoked")
        if row.allowed_sessions and session_id is not None and session_id not in row.allowed_sessions:
            raise refusal(self._scope_status, "API key not authorized for this session")
        if ROLE_RANKS[row.role] < ROLE_RANKS[role]:
            raise refusal(403, f"Insufficient permissions. Required: {role}")
        if is_global and row.allowed_sessions:
            raise refusal(403, "Session-scoped API keys are not permitted on this route")
        return row

    def create(self, name: str, role: str, allowed_sessions: list[str]) -> dict[str, Json]:
        """Make a key and return it as the API shows it, this once in clear."""
        key = _fresh_key()
        row = self._storage.keys.put(self._row(name, key, role, allowed_sessions))
        self._storage.save_keys()
        return {**self.view(row), "apiKey": key}

    def views(self) -> list[Json]:
        """Return all keys as the API shows them."""
        return [self.view(row) for row in self._storage.keys.values()]

    def get(self, key_id: str) -> KeyRow:
        """Return a key's row. Raises: HttpError."""
        row = self._storage.keys.get(key_id)
        if row is None:
            raise refusal(404, f"API key with id '{key_id}' not found")
        return row

    def revoke(self, key_id: str) -> KeyRow:
        """Switch a key off. Raises: HttpError."""
        row = self._storage.keys.put(replace(self.get(key_id), is_active=False))
        self._storage.save_keys()
        return row

    def delete(self, key_id: str) -> None:
        """Remove a key. Raises: HttpError."""
        del self._storage.keys[self.get(key_id).id]
        self._storage.save_keys()

    def view(self, row: KeyRow) -> dict[str, Json]:
        """Return a key as the API shows it; absent facts are absent fields."""
        scope: dict[str, Json] = {"allowedSessions": [*row.allowed_sessions]} if row.allowed_sessions else {}
        return {
            "id": row.id,
            "name": row.name,
            "keyPrefix": row.key_prefix,
            "role": row.role,
            **scope,
            "isActive": row.is_active,
            "usageCount": row.usage_count,
            "createdAt": row.created_at,
        }

    def _row(self, name: str, key: str, role: str, allowed_sessions: list[str]) -> KeyRow:
        return KeyRow(
            id=str(uuid4()),
            name=name,
            key_hash=_hash(key),
            key_prefix=key[:12],
            role=role,
            created_at=iso_now_whole(),
            allowed_sessions=allowed_sessions,
        )
