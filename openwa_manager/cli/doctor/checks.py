"""All the doctor's checks, in the order in which they depend on each other."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from openwa_manager.cli.client import Client
from openwa_manager.cli.discovery import SocketDaemon, socket_of
from openwa_manager.cli.doctor import daemon_checks, host_checks
from openwa_manager.cli.doctor.asking import all_said, settings_said
from openwa_manager.cli.doctor.build_checks import env_findings
from openwa_manager.cli.doctor.clock_checks import ahead_of_backend_s, check_offset
from openwa_manager.cli.doctor.interpreters import node_findings
from openwa_manager.cli.doctor.mac_checks import sessions_findings
from openwa_manager.cli.doctor.managers import daemon_environment, definitions_of, manager_findings
from openwa_manager.cli.doctor.service_checks import service_findings
from openwa_manager.cli.errors import CommandFailedError, NotReachableError
from openwa_manager.config import Settings, load
from openwa_manager.config.policies import program_values
from openwa_manager.domain.builds.builds import HOME_BUILD
from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.diagnosis.table import found
from openwa_manager.domain.errors import ConfigError, SessionNotFoundError
from openwa_manager.engines import registry
from openwa_manager.engines.builds.contract import program_in
from openwa_manager.host import capacity
from openwa_manager.host.home import Home
from openwa_manager.processes.confinement.support import system_support
from openwa_manager.services.diagnosis.builds import build_findings, used_builds
from openwa_manager.services.diagnosis.host import Floors, Reach, reach_findings, room_finding
from openwa_manager.store.backup.read_only import SQLITE_VERSION, builds_in_use


def examine(home: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is found on this host for the daemon of this home; what that says as well is told once."""
    told: set[Finding] = set()
    for finding in _examine(home, environ):
        if finding not in told:
            told.add(finding)
            yield finding


def _examine(home: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    yield from host_checks.host_findings()
    yield daemon_checks.check_sqlite(SQLITE_VERSION)
    yield daemon_checks.check_socket_path(home)
    yield daemon_checks.check_home(home)
    yield from service_findings(home)
    user_home = Path(environ.get("HOME", "/"))
    pm2_home = Path(environ.get("PM2_HOME", user_home / ".pm2"))
    yield from manager_findings(daemon_environment(home), definitions_of(user_home), pm2_home, home)
    try:
        settings = load({"home": str(home)}, environ).settings
    except ConfigError as error:
        yield Finding("settings", "fail", str(error), "openwa-manager config check")
        return
    yield Finding("settings", "ok", f"engine {settings.engine}")
    yield from _settled(settings, environ)


def _before_the_start(settings: Settings) -> Iterator[Finding]:
    """Yield what a daemon would meet that does not run yet."""
    yield daemon_checks.check_port("listen", settings.listen)
    yield daemon_checks.check_port("intake_listen", settings.intake_listen)
    floors = Floors(
        disk=settings.sessions_root,
        memory_bytes=settings.min_free_memory_bytes,
        disk_bytes=settings.min_free_disk_bytes,
    )
    yield room_finding(floors, ())
    yield from reach_findings(
        Reach(
            is_loopback=settings.listen.is_loopback,
            names=settings.public_names,
            knows_callers=bool(settings.trusted_proxies),
        )
    )
    url, secret = settings.upstream_url, settings.upstream_secret
    if url is None:
        yield found("upstream_missing")
        return
    if secret is None:  # there is nothing to sign a test event with
        yield daemon_checks.check_upstream(url)
    yield from settings_said(url, None if secret is None else secret.get_secret_value())


def _said_by_daemon(home: Path) -> Iterator[Finding]:
    """Yield what the daemon says; nothing when it answers us no more, as one that ends now."""
    try:
        yield from all_said(Client(SocketDaemon(socket_of(home))))
    except (NotReachableError, CommandFailedError, SessionNotFoundError) as error:
        yield Finding("daemon_asked", "warn", str(error), "ask again; or run this as root or as the daemon's user")


def _settled(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    yield daemon_checks.check_database(settings.home / "manager.db")
    home = Home(root=settings.home, sessions=settings.sessions_root)
    yield daemon_checks.check_owners(home, settings.command_argv)
    free_bytes, pressure = capacity.free_memory_bytes(), capacity.pressure_level()
    yield host_checks.check_memory(free_bytes, settings.min_free_memory_bytes, pressure)
    yield host_checks.check_disk(settings.sessions_root, settings.min_free_disk_bytes)
    running = daemon_checks.running_daemon(settings.home)
    engine = running.engine if running is not None and running.engine is not None else settings.engine
    said = list(_said_by_daemon(settings.home)) if running is not None else []
    if engine == registry.OPENWA:
        yield from _of_builds(settings, environ, is_said=any(each.code == "openwa" for each in said))
    default = registry.isolation_of(engine, settings.engine_type)
    yield host_checks.check_isolation(settings.engine_isolation or default, system_support())
    version = None if running is None else running.version
    yield daemon_checks.check_daemon(version, metadata.version("openwa-manager"))
    yield from _before_the_start(settings) if running is None else said
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        yield check_offset(ahead_of_backend_s(settings.upstream_url))
        yield from sessions_findings(settings.sessions_root)


def _of_builds(settings: Settings, environ: Mapping[str, str], *, is_said: bool) -> Iterator[Finding]:
    """Yield what is to be said of the builds that sessions would run; a daemon that runs says most of it better."""
    values = program_values(settings, environ)
    default, pins = builds_in_use(settings.home / "manager.db")
    used = used_builds(default, pins, values)
    yield from node_findings(program_in(used[0].folder, values))
    if any(each.name == HOME_BUILD for each in used):
        yield from env_findings(settings.openwa_home)
    if not is_said:
        yield from asyncio.run(build_findings(used, values))
