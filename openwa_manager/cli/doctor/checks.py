"""All the doctor's checks, in the order in which they depend on each other."""

import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from openwa_manager.cli.doctor import daemon_checks, host_checks
from openwa_manager.cli.doctor.clock_checks import ahead_of_backend_s, check_offset
from openwa_manager.cli.doctor.findings import Finding
from openwa_manager.cli.doctor.interpreters import node_findings
from openwa_manager.cli.doctor.mac_checks import sessions_findings
from openwa_manager.cli.doctor.service_checks import service_findings
from openwa_manager.config import Settings, load
from openwa_manager.domain.errors import ConfigError
from openwa_manager.engines import registry
from openwa_manager.engines.program import NodeProgram
from openwa_manager.host import capacity
from openwa_manager.host.home import Home
from openwa_manager.processes.confinement.support import system_support
from openwa_manager.store.backup.read_only import SQLITE_VERSION


def examine(home: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is found on this host for the daemon of this home."""
    yield from host_checks.host_findings()
    yield daemon_checks.check_sqlite(SQLITE_VERSION)
    yield daemon_checks.check_socket_path(home)
    yield daemon_checks.check_home(home)
    yield from service_findings(home)
    try:
        settings = load({"home": str(home)}, environ).settings
    except ConfigError as error:
        yield Finding("settings", "fail", str(error), "openwa-manager config check")
        return
    yield Finding("settings", "ok", f"engine {settings.engine}")
    yield from _settled(settings, environ)


def _settled(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    yield daemon_checks.check_database(settings.home / "manager.db")
    home = Home(root=settings.home, sessions=settings.sessions_root)
    yield daemon_checks.check_owners(home, settings.command_argv)
    free_bytes, pressure = capacity.free_memory_bytes(), capacity.pressure_level()
    yield host_checks.check_memory(free_bytes, settings.min_free_memory_bytes, pressure)
    yield host_checks.check_disk(settings.sessions_root, settings.min_free_disk_bytes)
    if settings.engine == registry.OPENWA:
        program = NodeProgram(settings.node, settings.openwa_home, environ)
        yield daemon_checks.check_node(program)
        yield from node_findings(program)
        yield daemon_checks.check_openwa(settings.openwa_home)
    default = registry.isolation_of(settings.engine, settings.engine_type)
    yield host_checks.check_isolation(settings.engine_isolation or default, system_support())
    running = daemon_checks.running_version(settings.home)
    if running is None:
        yield daemon_checks.check_port("listen", settings.listen)
        yield daemon_checks.check_port("intake_listen", settings.intake_listen)
    yield daemon_checks.check_daemon(running, metadata.version("openwa-manager"))
    yield daemon_checks.check_upstream(settings.upstream_url)
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        yield check_offset(ahead_of_backend_s(settings.upstream_url))
        yield from sessions_findings(settings.sessions_root)
