"""What survives a restart: sessions, webhooks, keys and failed deliveries, as JSON files under ./data."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from openwa_manager.simulator.clock import iso_now_whole
from openwa_manager.simulator.http.wire import Json
from openwa_manager.simulator.state.database import CorruptDataError, Database

#: Statuses that no engine can have after a restart; OpenWA resets such rows to `disconnected` at boot.
ACTIVE_STATUSES = frozenset({"initializing", "qr_ready", "authenticating", "ready"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A row of OpenWA's `sessions` table."""

    id: str
    name: str
    status: str
    created_at: str
    updated_at: str
    phone: str | None = None
    push_name: str | None = None
    connected_at: str | None = None
    last_active: str | None = None
    config: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRow:
    """A row of OpenWA's `webhooks` table."""

    id: str
    session_id: str
    url: str
    events: list[str]
    created_at: str
    updated_at: str
    secret: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    filters: dict[str, Json] | None = None
    active: bool = True
    retry_count: int = 3
    last_triggered_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFailureRow:
    """A row of OpenWA's `webhook_delivery_failures` table."""

    id: str
    webhook_id: str
    session_id: str
    event: str
    url: str
    idempotency_key: str
    delivery_id: str
    attempts: int
    last_status_code: int | None
    last_error: str
    created_at: str
    payload: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A row of OpenWA's `api_keys` table; only the hash of the key is stored."""

    id: str
    name: str
    key_hash: str
    key_prefix: str
    role: str
    created_at: str
    allowed_sessions: list[str] = field(default_factory=list)
    is_active: bool = True
    usage_count: int = 0


Row = TypeVar("Row", SessionRow, WebhookRow, DeliveryFailureRow, KeyRow)


class Table(dict[str, Row]):
    """Rows by id, in order of creation."""

    def put(self, row: Row) -> Row:
        """Insert or replace a row and return it."""
        self[row.id] = row
        return row


class Storage:
    """The two databases of an instance: `main` (keys) and `openwa` (everything else)."""

    def __init__(self, data_dir: Path) -> None:
        self.main = Database(data_dir / "main.json")
        self.openwa = Database(data_dir / "openwa.json")
        self.keys: Table[KeyRow] = Table()
        self.sessions: Table[SessionRow] = Table()
        self.webhooks: Table[WebhookRow] = Table()
        self.delivery_failures: Table[DeliveryFailureRow] = Table()

    def load(self) -> None:
        """Read both files; a missing or empty one is a new instance. Raises: CorruptDataError, OSError."""
        main = self.main.load()
        openwa = self.openwa.load()
        try:
            _fill(self.keys, KeyRow, main.get("api_keys", []))
            _fill(self.sessions, SessionRow, openwa.get("sessions", []))
            _fill(self.webhooks, WebhookRow, openwa.get("webhooks", []))
            _fill(self.delivery_failures, DeliveryFailureRow, openwa.get("webhook_delivery_failures", []))
        except TypeError as error:
            raise CorruptDataError(f"SQLITE_CORRUPT: database disk image is malformed ({error})") from error

    def reset_active_sessions(self) -> None:
        """Mark sessions that lived in an earlier process as `disconnected`."""
        for row in tuple(self.sessions.values()):
            if row.status in ACTIVE_STATUSES:
                self.sessions.put(replace(row, status="disconnected"))
        self.save()

    def update(self, row: SessionRow) -> None:
        """Write a changed session with the time of the change. Raises: DatabaseLostError."""
        self.sessions.put(replace(row, updated_at=iso_now_whole()))
        self.save()

    def save_keys(self) -> None:
        """Write the keys. Raises: DatabaseLostError."""
        self.main.write({"api_keys": [asdict(row) for row in self.keys.values()]})

    def save(self) -> None:
        """Write everything but the keys. Raises: DatabaseLostError."""
        tables = {
            "sessions": [asdict(row) for row in self.sessions.values()],
            "webhooks": [asdict(row) for row in self.webhooks.values()],
            "webhook_delivery_failures": [asdict(row) for row in self.delivery_failures.values()],
        }
        self.openwa.write(tables)


def _fill(table: Table[Row], kind: type[Row], rows: list[dict[str, Json]]) -> None:
    for row in rows:
        # The file is our own; a field of another type than we wrote would be its owner's doing.
        table.put(kind(**row))  # type: ignore[arg-type]
