"""The settings: their names, their defaults and what makes them fit to be used."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from openwa_manager.config.values import (
    AbsolutePath,
    Address,
    Bytes,
    Count,
    EngineName,
    EventPatterns,
    FreezeLimit,
    GitUrl,
    Keywords,
    ListenAddress,
    LongTime,
    Networks,
    Origins,
    Paths,
    Pauses,
    PortList,
    PortRange,
    Ports,
    Positive,
    PublicUrl,
    RealPath,
    Region,
    Retries,
    Seconds,
    Table,
    TimeZone,
    Url,
    Words,
)
from openwa_manager.domain.access.addresses import AddressHeader
from openwa_manager.domain.access.buckets import CALLS
from openwa_manager.domain.delivery.delivery import DeliveryPolicy
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import ConfigError, InvalidInputError
from openwa_manager.domain.isolation import Isolation
from openwa_manager.domain.messaging.pacing import ProfileName
from openwa_manager.domain.messaging.policy import MessagingPolicy
from openwa_manager.domain.session.restart import LinkPolicy, OfflinePolicy, ProbePolicy, RestartPolicy
from openwa_manager.domain.urls import LOOPBACK_NAMES, without_password
from openwa_manager.engines import registry
from openwa_manager.engines.variables import refused_of_admin
from openwa_manager.host.logs.logfile import LogPolicy
from openwa_manager.host.own_files import require_own
from openwa_manager.processes.confinement.support import system_support
from openwa_manager.processes.exits import SWEEP_S
from openwa_manager.webhooks.signing import check_secret

#: Each default that a policy knows is taken from the policy.
_DELIVERY, _RESTART, _LINK, _PROBE = DeliveryPolicy(), RestartPolicy(), LinkPolicy(), ProbePolicy()
_OFFLINE, _LOGS, _MESSAGES = OfflinePolicy(), LogPolicy(), MessagingPolicy()

#: macOS gives a socket's path 104 bytes, the last of them a zero (sys/un.h); Linux 108 (unix(7)).
SOCKET_PATH_MAX_BYTES = 103


def longest_socket_path(home: Path) -> Path:
    """Return a path as long as that of the socket of any engine; the daemon's own is shorter."""
    return home / "run" / "e" / ("0" * 16) / "s"


def _start_concurrency() -> int:
    return 4 if (os.cpu_count() or 1) >= 10 else 2


class Settings(BaseModel):
    """Every setting; `…_s` are seconds, `None` means off or, where said so, derived."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    home: RealPath = Path("~/.openwa-manager")
    sessions_path: RealPath | None = None
    logs_path: RealPath | None = None

    listen: ListenAddress = Address("127.0.0.1", 2790)
    intake_listen: ListenAddress = Address("127.0.0.1", 2791)
    behind_proxy: bool = False
    tls_cert: AbsolutePath | None = None
    tls_key: AbsolutePath | None = None
    allowed_hosts: Words = ()
    public_url: PublicUrl | None = None
    trusted_proxies: Networks = ()
    cors_origins: Origins = ()
    client_address_header: AddressHeader = "X-Forwarded-For"
    audit_required: bool = True

    rate_per_s: Annotated[Seconds, Field(le=10_000)] = CALLS.per_s
    rate_burst: Annotated[float, Field(ge=1, le=100_000)] = CALLS.burst

    engine: EngineName = registry.OPENWA
    engine_ports: Ports = PortRange(28100, 29099)
    engine_env: Table = Field(default_factory=dict)
    openwa_home: AbsolutePath = Path("~/openwa")
    openwa_repository: GitUrl = "https://github.com/rmyndharis/OpenWA"
    node: Annotated[str, Field(min_length=1)] = "node"
    engine_type: Literal["baileys", "whatsapp-web.js"] = "baileys"
    command_argv: Words = ()
    command_env: Table = Field(default_factory=dict)

    engine_isolation: Isolation | None = None
    engine_read_paths: Paths = ()
    engine_connect_ports: PortList = ()
    engine_bind_ports: PortList = ()

    upstream_url: Url | None = None
    upstream_secret: SecretStr | None = None
    upstream_events: EventPatterns | None = None
    allow_private_endpoints: bool = False
    delivery_schedule_s: Annotated[Pauses, Field(min_length=1)] = _DELIVERY.schedule_s

    backoff_first_s: Seconds = _RESTART.backoff_first_s
    backoff_max_s: Seconds = _RESTART.backoff_max_s
    backoff_reset_s: Seconds = _RESTART.backoff_reset_s
    crash_loop_count: Count = _RESTART.crash_loop_count
    crash_loop_window_s: Seconds = _RESTART.crash_loop_window_s
    slow_retry_s: Seconds = _RESTART.slow_retry_s
    boot_timeout_s: Positive = _LINK.boot_timeout_s
    probe_period_s: Positive = _PROBE.period_s
    probe_timeout_s: Positive = _PROBE.timeout_s
    probe_misses: Count = _PROBE.misses
    stop_grace_s: Seconds = 10.0
    start_concurrency: Count = Field(default_factory=_start_concurrency)
    start_spacing_s: Seconds = 1.5
    min_free_memory_bytes: Bytes = 600_000_000
    min_free_disk_bytes: Bytes = 2**30
    memory_soft_bytes: Count | None = None
    memory_hard_bytes: Count | None = None
    logs_max_bytes: Annotated[int, Field(ge=10_000_000)] = _LOGS.total_max_bytes
    engine_log_max_bytes: Annotated[int, Field(ge=65_536)] = _LOGS.log_max_bytes
    engine_log_copies: Annotated[int, Field(ge=0, le=100)] = _LOGS.copies
    exit_sweep_s: Positive = SWEEP_S
    freeze_limit_s: FreezeLimit | None = None
    offline_sessions: Count = _OFFLINE.sessions
    offline_window_s: Positive = _OFFLINE.window_s

    link_initializing_s: Positive = _LINK.initializing_s
    link_authenticating_s: Positive = _LINK.authenticating_s
    link_down_restart_s: Positive = _LINK.link_down_s
    replaced_wait_s: Positive = _LINK.replaced_s
    pairing_window_s: Positive = _LINK.pairing_window_s
    qr_first_s: Positive = _LINK.qr_first_s
    qr_next_s: Positive = _LINK.qr_next_s
    heartbeat_s: Positive = 60.0
    silence_s: Positive = _PROBE.silence_s

    pacing_profile: ProfileName = _MESSAGES.pace.profile
    message_gap_min_s: Seconds = _MESSAGES.pace.gap_min_s
    message_gap_max_s: Seconds = _MESSAGES.pace.gap_max_s
    contact_check_gap_s: Seconds = _MESSAGES.pace.check_gap_s
    send_hold_s: Seconds = _MESSAGES.pace.hold_s
    send_timeout_s: Annotated[Positive, Field(le=600)] = _MESSAGES.send_timeout_s
    message_retry_s: Retries = tuple(_MESSAGES.retries.pauses_s)
    retry_uncertain: bool = _MESSAGES.retries.retry_uncertain
    message_ttl_s: LongTime = _MESSAGES.ttl_s
    quota_time_zone: TimeZone = _MESSAGES.time_zone
    default_region: Region | None = _MESSAGES.default_region
    opt_out_keywords: Keywords = _MESSAGES.opt_out_keywords
    batch_progress_s: Positive = _MESSAGES.batch_progress_s
    message_body_retention_s: LongTime = _MESSAGES.retention.body_s
    message_retention_s: LongTime = _MESSAGES.retention.message_s

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] | None = None
    metrics_per_session: bool = False

    @property
    def socket_path(self) -> Path:
        """Return where the CLI reaches the daemon."""
        return self.home / "run" / "manager.sock"

    @property
    def public_names(self) -> frozenset[str]:
        """Return the names, in small letters, by which callers elsewhere reach this host."""
        host = urlsplit(self.public_url or "").hostname
        given = (*self.allowed_hosts, *(() if host is None else (host,)))
        return frozenset(name.lower() for name in given) - LOOPBACK_NAMES

    @property
    def has_proxy(self) -> bool:
        """Tell whether somebody stands between this daemon and its callers, as far as the settings say."""
        is_named = bool(self.allowed_hosts or (self.public_names and self.tls_cert is None))
        return self.behind_proxy or is_named or bool(self.trusted_proxies)

    @property
    def sessions_root(self) -> Path:
        """Return the directory of the sessions' directories."""
        return self.sessions_path or self.home / "sessions"

    @field_validator("home")
    @classmethod
    def _socket_fits(cls, home: Path) -> Path:
        longest = longest_socket_path(home)
        excess = len(os.fsencode(longest)) - SOCKET_PATH_MAX_BYTES
        if excess > 0:
            most = len(os.fsencode(home)) - excess
            raise ValueError(
                f"{home} is {excess} bytes too long for the sockets in it: choose a home of at most {most} bytes "
                f"({longest} would be one, which may have {SOCKET_PATH_MAX_BYTES})"
            )
        return home

    @field_validator("engine_env")
    @classmethod
    def _leaves_what_recipes_need(cls, table: Mapping[str, str]) -> Mapping[str, str]:
        if refused := refused_of_admin(table):
            raise ValueError(f"{refused[0]} is what every engine is given by us: remove it from engine_env")
        return table

    @field_validator("intake_listen")
    @classmethod
    def _intake_is_local(cls, intake: Address) -> Address:
        if not intake.is_loopback:
            raise ValueError("engines run on this host: use a loopback address, such as 127.0.0.1:2791")
        return intake

    @field_validator("upstream_secret")
    @classmethod
    def _secret_is_usable(cls, secret: SecretStr | None) -> SecretStr | None:
        try:
            check_secret(secret.get_secret_value() if secret else "none")
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        return secret

    @field_validator("tls_cert", "tls_key")
    @classmethod
    def _is_readable(cls, path: Path | None) -> Path | None:
        if path is None:
            return None
        if not path.is_file() or not os.access(path, os.R_OK):
            raise ValueError(f"{path} cannot be read: name an existing file that this user may read")
        try:
            require_own(path, may_be_link=True)  # certbot's are links
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return path

    @field_validator("engine_isolation")
    @classmethod
    def _isolation_is_possible(cls, isolation: Isolation | None) -> Isolation | None:
        support = system_support()
        if isolation is Isolation.KERNEL and not support.is_possible:
            raise ValueError(f"engines cannot be kept apart here: {support.what}; leave it out, or set it to none")
        return isolation

    @model_validator(mode="after")
    def _opens_nothing_secret(self) -> Self:
        for path in self.engine_read_paths:
            kept = (self.home, self.sessions_root, self.logs_path or self.sessions_root)
            if path.parent == self.home or path.is_relative_to(self.sessions_root):
                raise ValueError(f"engine_read_paths: {path} holds what engines must not read: choose another place")
            if any(each.is_relative_to(path) for each in kept):
                raise ValueError(f"engine_read_paths: {path} would open {self.home} or its sessions: name less")
        return self

    @model_validator(mode="after")
    def _listens_at_two_places(self) -> Self:
        if not self.intake_listen.port:
            raise ValueError("intake_listen must name a port: engines post there, and outlive the daemon that chose it")
        if self.listen == self.intake_listen:
            raise ValueError(f"listen and intake_listen are both {self.listen}: give one of them another port")
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key belong together: set both or none")
        if not (self.listen.is_loopback or self.tls_cert or self.behind_proxy):
            raise ValueError(
                f"listen = {self.listen} is open to other machines: set tls_cert and tls_key, or behind_proxy = true "
                "if a proxy in front speaks TLS, or listen on 127.0.0.1"
            )
        if self.message_gap_min_s > self.message_gap_max_s:
            raise ValueError("message_gap_min_s is above message_gap_max_s: lower it or raise the other")
        if self.message_body_retention_s > self.message_retention_s:
            raise ValueError("message_body_retention_s is above message_retention_s: lower it or raise the other")
        if self.memory_soft_bytes and self.memory_hard_bytes and self.memory_soft_bytes > self.memory_hard_bytes:
            raise ValueError("memory_soft_bytes is above memory_hard_bytes: lower it or raise the other")
        if self.engine == registry.COMMAND and not self.command_argv:
            raise ValueError('engine = "command" needs command_argv, such as ["/usr/local/bin/my-engine"]')
        return self


def masked(settings: Settings) -> dict[str, Json]:
    """Return the settings as plain JSON values, secrets and the environments' values hidden."""
    shown: dict[str, Json] = {}
    for name in Settings.model_fields:
        match getattr(settings, name):
            case SecretStr():
                shown[name] = "***"
            case Address() | PortRange() | Path() as value:
                shown[name] = str(value)
            case Mapping() as table:
                shown[name] = dict.fromkeys(table, "***")
            case tuple() as items:
                shown[name] = [item if isinstance(item, float) else without_password(str(item)) for item in items]
            case str() as text:
                shown[name] = without_password(text)
            case value:
                shown[name] = value
    return shown


def warnings_about(settings: Settings) -> list[str]:
    """Return what somebody should know who has chosen these settings, in whole sentences."""
    found = []
    if settings.retry_uncertain:
        unproven = "a message of which nobody knows whether it was sent is sent again: some people will get it twice"
        found.append(f"retry_uncertain = true: {unproven}")
    if not settings.rate_per_s:
        found.append("rate_per_s = 0: callers, starts and wrong keys are not limited, which is meant for tests")
    return found
