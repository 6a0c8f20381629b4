"""The sessions of this instance: their rows, their engines, and what their engines report."""

import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from openwa_manager.simulator.clock import iso_now, iso_now_whole
from openwa_manager.simulator.http.errors import not_connected, not_started, refusal, session_not_found
from openwa_manager.simulator.http.wire import Json
from openwa_manager.simulator.log import log
from openwa_manager.simulator.release import Release
from openwa_manager.simulator.settings import Vices
from openwa_manager.simulator.state.database import DatabaseLostError
from openwa_manager.simulator.state.storage import SessionRow, Storage
from openwa_manager.simulator.state.webhooks import Dispatcher
from openwa_manager.simulator.whatsapp.credentials import Account, AuthDirectory
from openwa_manager.simulator.whatsapp.engine import Code, Engine

RECONNECT_BASE_DELAY_MS = 5_000
_TIMELOCK: dict[str, Json] = {"kind": "reachout_timelock", "code": "BIZ_QUALITY"}


class EngineReports:
    """Stores what engines report, and tells the webhooks; one that was unloaded reports nothing."""

    def __init__(self, home: Path, storage: Storage, dispatcher: Dispatcher, vices: Vices) -> None:
        self._home = home
        self._storage = storage
        self._dispatcher = dispatcher
        self._vices = vices
        self.last_errors: dict[str, str] = {}

    def status_changed(self, session_id: str, status: str) -> None:
        """Store a status and tell it, if it is a new one."""
        row = self._storage.sessions[session_id]
        if row.status == status:
            return
        self._store(replace(row, status=status))
        log(f"Session {row.name} is {status}")
        self._dispatcher.dispatch(session_id, "session.status", {"sessionId": session_id, "status": status})

    def _store(self, row: SessionRow) -> None:
        """Write a row that nobody waits for; that it could not be written shows in the log only, as in OpenWA."""
        try:
            self._storage.update(row)
        except DatabaseLostError as error:
            log(f"Failed to store session {row.name}: {error}", level="ERROR")

    def code_shown(self, session_id: str, code: Code) -> None:
        """Tell a new QR code, and write it to `qr.png` if this process plays an engine that does."""
        if self._vices.writes_qr_file:
            (self._home / "qr.png").write_bytes(code.png)
        self._dispatcher.dispatch(session_id, "session.qr", {"sessionId": session_id, "qr": code.data_url})

    def became_ready(self, session_id: str, account: Account) -> None:
        """Store the account and tell it, on every opening of the link."""
        now = iso_now()
        row = replace(
            self._storage.sessions[session_id],
            phone=account.phone,
            push_name=account.push_name,
            connected_at=now,
            last_active=now,
        )
        self._store(row)
        self.status_changed(session_id, "ready")
        data: dict[str, Json] = {"sessionId": session_id, "phone": account.phone, "pushName": account.push_name}
        self._dispatcher.dispatch(session_id, "session.authenticated", data)

    def logged_out(self, session_id: str) -> None:
        """Tell that the phone unlinked this device; the row keeps the old number."""
        self.status_changed(session_id, "disconnected")
        data: dict[str, Json] = {"sessionId": session_id, "reason": "logged out"}
        self._dispatcher.dispatch(session_id, "session.disconnected", data)

    def failed(self, session_id: str, error: str) -> None:
        """Store why an engine gave up; the webhooks learn the status only."""
        log(f"Session engine failed: {error}", level="ERROR")
        self.last_errors[session_id] = error
        self.status_changed(session_id, "failed")


class Restrictions:
    """WhatsApp's "reachout timelock" on linked accounts, which ends with their engine or by itself."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._restrictions: dict[str, dict[str, Json]] = {}

    def view(self, session_id: str) -> dict[str, Json] | None:
        """Return a session's restriction as the API shows it; None when there is none."""
        return self._restrictions.get(session_id)

    def impose(self, session_id: str, *, lasts_s: float = 3600.0) -> str:
        """Restrict an account, tell it, and return the time of the end."""
        expires_at = iso_now(lasts_s)
        self._restrictions[session_id] = {**_TIMELOCK, "expiresAt": expires_at}
        self._tell(session_id, is_active=True, expires_at=expires_at)
        return expires_at

    def lift(self, session_id: str, expires_at: str | None = None) -> None:
        """End a restriction and tell it; one that ends at another time than `expires_at`, if given, stays."""
        if expires_at is not None and self._restrictions.get(session_id, {}).get("expiresAt") != expires_at:
            return
        self._restrictions.pop(session_id, None)
        self._tell(session_id, is_active=False, expires_at=None)

    def forget(self, session_id: str) -> None:
        """Drop what an engine knew that is unloaded."""
        self._restrictions.pop(session_id, None)

    def _tell(self, session_id: str, *, is_active: bool, expires_at: str | None) -> None:
        data: dict[str, Json] = {"sessionId": session_id, "active": is_active, **_TIMELOCK, "expiresAt": expires_at}
        self._dispatcher.dispatch(session_id, "session.restriction", data)


class Sessions:
    """Creates, starts and ends sessions."""

    def __init__(self, home: Path, storage: Storage, dispatcher: Dispatcher, vices: Vices, release: Release) -> None:
        self._release = release
        self.database = storage.openwa
        self._home = home
        self._storage = storage
        self._vices = vices
        self._reports = EngineReports(home, storage, dispatcher, vices)
        self._engines: dict[str, Engine] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self.restrictions = Restrictions(dispatcher)

    def rows(self) -> list[SessionRow]:
        """Return all sessions, the newest first."""
        return list(reversed(self._storage.sessions.values()))

    def get(self, session_id: str) -> SessionRow:
        """Return a session's row. Raises: HttpError."""
        row = self._storage.sessions.get(session_id)
        if row is None:
            raise session_not_found(session_id)
        return row

    def engine(self, session_id: str) -> Engine | None:
        """Return the loaded engine of a session."""
        return self._engines.get(session_id)

    def ready_engine(self, session_id: str) -> Engine:
        """Return an engine that can talk to WhatsApp. Raises: HttpError."""
        engine = self._engines.get(session_id)
        if engine is None:
            raise refusal(400, f"Session '{session_id}' is not active. Start the session first.")
        if not engine.is_ready:
            raise not_connected()
        return engine

    def named(self, name: str | None) -> SessionRow | None:
        """Return the session of this name, or the first with an engine (else the first) if no name is given."""
        rows = list(self._storage.sessions.values())
        if name is not None:
            return next((row for row in rows if row.name == name), None)
        return next((row for row in rows if row.id in self._engines), rows[0] if rows else None)

    def view(self, session_id: str) -> dict[str, Json]:
        """Return a session as the API shows it."""
        row = self.get(session_id)
        view: dict[str, Json] = {
            "id": row.id,
            "name": row.name,
            "status": row.status,
            "phone": row.phone,
            "pushName": row.push_name,
            "connectedAt": row.connected_at,
            "lastActive": row.last_active,
            "createdAt": row.created_at,
            "updatedAt": row.updated_at,
            "lastError": self._reports.last_errors.get(session_id),
            "restriction": self.restrictions.view(session_id),
            "engineLoaded": session_id in self._engines,
        }
        return {name: value for name, value in view.items() if name not in self._release.lacking_fields}

    def create(self, name: str, config: dict[str, Json]) -> SessionRow:
        """Add a session that is not started. Raises: HttpError when the name is taken."""
        if self.named(name) is not None:
            raise refusal(409, f"Session with name '{name}' already exists")
        now = iso_now_whole()
        row = SessionRow(id=str(uuid4()), name=name, status="created", created_at=now, updated_at=now, config=config)
        self._storage.sessions.put(row)
        self._storage.save()
        log(f"Session created: {name}")
        return row

    def configure(self, session_id: str, changes: dict[str, Json]) -> dict[str, Json]:
        """Change reconnect settings and return all of them; None resets one to its default."""
        row = self.get(session_id)
        merged: dict[str, Json] = {name: value for name, value in (row.config | changes).items() if value is not None}
        self._storage.openwa.require_writable()
        if changes:
            self._storage.update(replace(row, config=merged))
        return {
            "autoRejectCalls": merged.get("autoRejectCalls", False),
            "maxReconnectAttempts": merged.get("maxReconnectAttempts"),
            "reconnectBaseDelay": merged.get("reconnectBaseDelay", RECONNECT_BASE_DELAY_MS),
        }

    def start(self, session_id: str, tasks: asyncio.TaskGroup) -> None:
        """Load an engine and let it connect. Raises: HttpError when one is loaded."""
        row = self.get(session_id)
        if session_id in self._engines:
            raise refusal(400, "Session is already started")
        engine = Engine(session_id, self._auth(row), self._reports, self._vices)
        delay_ms = row.config.get("reconnectBaseDelay", RECONNECT_BASE_DELAY_MS)
        engine.relogin_delay_s = (delay_ms if isinstance(delay_ms, int) else RECONNECT_BASE_DELAY_MS) / 1000
        self._engines[session_id] = engine
        self._reports.last_errors.pop(session_id, None)
        self._reports.status_changed(session_id, "initializing")
        self._running[session_id] = tasks.create_task(self._run(session_id, engine))

    def stop(self, session_id: str) -> None:
        """Unload the engine, if any, and keep the credentials."""
        self.get(session_id)
        self._unload(session_id)
        self._reports.status_changed(session_id, "disconnected")

    def logout(self, session_id: str) -> None:
        """Unlink the device and forget its credentials. Raises: HttpError when there is no engine."""
        row = self.get(session_id)
        if session_id not in self._engines:
            raise not_started()
        self._unload(session_id)
        self._auth(row).wipe()
        self._storage.update(replace(row, phone=None))
        self._reports.status_changed(session_id, "disconnected")

    def delete(self, session_id: str) -> None:
        """Remove a session with its credentials and webhooks; the phone still believes it is linked."""
        row = self.get(session_id)
        self._unload(session_id)
        self._auth(row).wipe()
        del self._storage.sessions[session_id]
        self._reports.last_errors.pop(session_id, None)
        for webhook in tuple(self._storage.webhooks.values()):
            if webhook.session_id == session_id:
                del self._storage.webhooks[webhook.id]
        self._storage.save()

    def unload_all(self) -> None:
        """End every engine and post nothing, as a shutdown does."""
        for session_id in tuple(self._engines):
            self._unload(session_id)

    def touch(self, session_id: str) -> None:
        """Note activity; it is kept in memory until something else is saved."""
        row = self._storage.sessions.get(session_id)
        if row is not None:
            self._storage.sessions.put(replace(row, last_active=iso_now(), updated_at=iso_now_whole()))

    def _auth(self, row: SessionRow) -> AuthDirectory:
        root = self._home / "data" / "baileys"
        return AuthDirectory(root, row.name, sets_aside=self._release.sets_aside_credentials)

    async def _run(self, session_id: str, engine: Engine) -> None:
        """Run an engine until it gives up; it is unloaded before anybody can see that it did."""
        await engine.run()
        del self._running[session_id]
        self._unload(session_id)

    def _unload(self, session_id: str) -> None:
        self._engines.pop(session_id, None)
        self.restrictions.forget(session_id)
        task = self._running.pop(session_id, None)
        if task is not None:
            task.cancel()
