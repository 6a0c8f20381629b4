"""The environment the simulator listens to: OpenWA's own variables and the SIM_ ones, checked once at boot."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from openwa_manager.simulator.release import DEFAULT, RELEASES, Release

MIN_PRODUCTION_KEY_LENGTH = 32


class BadEnvironmentError(Exception):
    """The environment is refused; the message is the line OpenWA logs before it exits 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How many requests one client may make of one handler within `ttl_s` seconds."""

    name: str
    ttl_s: float
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Where its manager is: a name that only our shim in OpenWA knows, and what it leads to."""

    name: str
    address: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """OpenWA's settings, as far as they show from outside, and our shim's.

    `socket` None means that it listens on `port`; `intake` None, that its manager has no name of its own. `books` is
    where a mock wants the books of all its engines, None: in this one's `data`. `ends_with_parent`: so it wants, too.
    """

    release: Release
    port: int
    socket: str | None
    intake: Intake | None
    node_env: str
    master_key: str | None
    ssrf_allowed_hosts: frozenset[str]
    rate_limits: tuple[RateLimit, ...]
    webhook_retry_delay_s: float
    webhook_timeout_s: float
    webhook_drain_s: float
    keeps_failed_payloads: bool
    shutdown_delay_s: float
    shows_validation_detail: bool
    auto_starts_sessions: bool
    simulates_typing: bool
    books: Path | None
    ends_with_parent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Vices:
    """How the imaginary WhatsApp and this process misbehave; None means never.

    `replay` is what a key brings whose send reached WhatsApp but was never answered for (docs/openwa.md, Simulator).
    """

    auto_scan_s: float | None
    boot_s: float
    boot_cpu_s: float
    exit_at_boot: int | None
    qr_delay_s: float
    qr_rotate_s: float | None
    open_s: float
    writes_qr_file: bool
    acks: tuple[int, ...]
    reconnect_s: float
    is_deaf: bool
    is_online: bool
    send_s: float
    restricted_s: float
    replay: str


class _Reader:
    """Reads variables one by one and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[str] = []

    def text(self, name: str) -> str | None:
        return self._environ.get(name) or None

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._environ.get(name, "").lower()
        if value not in {"", "true", "false", "1", "0"}:
            self.faults.append(f"{name} must be a boolean (true or false)")
        return default if not value else value in {"true", "1"}

    def number(self, name: str, default: float, *, low: float = 0.0, high: float = float("inf")) -> float:
        value = self._environ.get(name, "")
        if not value:
            return default
        try:
            number = float(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            self.faults.append(f"{name} must be a number of at least {low:g}")
        return number

    def optional(self, name: str) -> float | None:
        return self.number(name, 0.0) if self._environ.get(name) else None

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self._environ.get(name) or default
        if value not in choices:
            self.faults.append(f"{name} must be one of: {', '.join(word for word in choices if word)}")
        return value


def _intake(read: _Reader) -> Intake | None:
    name, place = read.text("OPENWA_MANAGER_INTAKE_NAME"), read.text("OPENWA_MANAGER_INTAKE")
    if name is None or place is None:
        return None
    address, _, port = place.partition(" ")
    return Intake(name=name.lower(), address=address, port=int(port))


def _rate_limits(read: _Reader) -> tuple[RateLimit, ...]:
    defaults = (("short", 1_000, 10), ("medium", 60_000, 100), ("long", 3_600_000, 1000))
    return tuple(
        RateLimit(
            name=name,
            ttl_s=read.number(f"RATE_LIMIT_{name.upper()}_TTL", ttl_ms, low=1) / 1000,
            limit=int(read.number(f"RATE_LIMIT_{name.upper()}_LIMIT", limit, low=1)),
        )
        for name, ttl_ms, limit in defaults
    )


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read OpenWA's variables. Raises: BadEnvironmentError naming every fault."""
    read = _Reader(environ)
    node_env = read.choice("NODE_ENV", "", ("", "production", "development", "test"))
    read.choice("ENGINE_TYPE", "whatsapp-web.js", ("whatsapp-web.js", "baileys"))
    master_key = read.text("API_MASTER_KEY")
    if node_env == "production" and master_key is not None and len(master_key) < MIN_PRODUCTION_KEY_LENGTH:
        read.faults.append(f"API_MASTER_KEY must be at least {MIN_PRODUCTION_KEY_LENGTH} characters in production")
    hosts = (host.strip().lower() for host in environ.get("SSRF_ALLOWED_HOSTS", "").split(","))
    settings = Settings(
        release=RELEASES.get(read.choice("SIM_VERSION", DEFAULT, tuple(RELEASES)), RELEASES[DEFAULT]),
        port=int(read.number("PORT", 2785, high=65535)),
        socket=read.text("OPENWA_MANAGER_SOCKET"),
        intake=_intake(read),
        node_env=node_env,
        master_key=master_key,
        ssrf_allowed_hosts=frozenset(host for host in hosts if host),
        rate_limits=_rate_limits(read),
        webhook_retry_delay_s=read.number("WEBHOOK_RETRY_DELAY", 5_000) / 1000,
        webhook_timeout_s=read.number("WEBHOOK_TIMEOUT", 10_000) / 1000,
        webhook_drain_s=read.number("WEBHOOK_SHUTDOWN_DRAIN_MS", 5_000) / 1000,
        keeps_failed_payloads=read.number("WEBHOOK_FAILURE_PAYLOAD_RETENTION_HOURS", 0) > 0,
        shutdown_delay_s=read.number("SHUTDOWN_DELAY_MS", 0 if node_env in {"development", "test"} else 3_000) / 1000,
        shows_validation_detail=read.flag("VALIDATION_ERROR_DETAIL", default=node_env != "production"),
        auto_starts_sessions=read.flag("AUTO_START_SESSIONS", default=False),
        simulates_typing=read.flag("SIMULATE_TYPING", default=True),
        books=Path(books) if (books := read.text("MOCK_BOOKS")) else None,
        ends_with_parent=read.flag("MOCK_ENDS_WITH_PARENT", default=False),
    )
    if read.faults:
        raise BadEnvironmentError("Invalid environment configuration: - " + " - ".join(read.faults))
    return settings


def read_vices(environ: Mapping[str, str]) -> Vices:
    """Read the SIM_ variables. Raises: BadEnvironmentError naming every fault."""
    read = _Reader(environ)
    exit_at_boot = read.optional("SIM_EXIT_AT_BOOT")
    acks = environ.get("SIM_ACKS", "2,3,4")
    vices = Vices(
        auto_scan_s=read.optional("SIM_AUTO_SCAN_S"),
        boot_s=read.number("SIM_BOOT_S", 0.0),
        boot_cpu_s=read.number("SIM_BOOT_CPU_S", 0.0),
        exit_at_boot=None if exit_at_boot is None else int(exit_at_boot),
        qr_delay_s=read.number("SIM_QR_DELAY_S", 0.3),
        qr_rotate_s=read.optional("SIM_QR_ROTATE_S"),
        open_s=read.number("SIM_OPEN_S", 0.3),
        writes_qr_file=read.flag("SIM_QR_FILE", default=False),
        acks=tuple(int(ack) for ack in acks.split(",") if ack.strip().isdecimal()),
        reconnect_s=read.number("SIM_RECONNECT_S", 1.0),
        is_deaf=read.flag("SIM_DEAF", default=False),
        is_online=read.flag("SIM_ONLINE", default=False),
        send_s=read.number("SIM_SEND_S", 0.0),
        restricted_s=read.number("SIM_RESTRICTED_S", 60.0),
        replay=read.choice("SIM_REPLAY", "unknown", ("unknown", "answer", "stuck")),
    )
    if read.faults:
        raise BadEnvironmentError("Invalid environment configuration: - " + " - ".join(read.faults))
    return vices
