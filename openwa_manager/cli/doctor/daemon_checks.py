"""The doctor's checks of what the daemon needs: its home, database, ports, engine and backend."""

import errno
import os
import shlex
import socket
import ssl
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit

from openwa_manager.cli.client import Client
from openwa_manager.cli.discovery import SocketDaemon, socket_of
from openwa_manager.cli.errors import CommandFailedError, NotReachableError
from openwa_manager.config import Address
from openwa_manager.config.settings import SOCKET_PATH_MAX_BYTES, longest_socket_path
from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.errors import StoreDamagedError
from openwa_manager.engines.registry import is_engine
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.home import Home
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.reading.occupants import find_strangers
from openwa_manager.services.diagnosis.builds import name_of_user
from openwa_manager.store.backup.read_only import count_sessions

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: STRICT tables need it.
_SQLITE_OLDEST = (3, 37)
_CONNECT_S = 5.0
_SECRETS = ("admin.key", "manager.db", "manager.toml")


def check_home(home: Path) -> Finding:
    """Check that the home is ours, and its secrets nobody else's."""
    if not home.exists():
        return Finding("home", "ok", f"{home} is not there yet: the daemon makes it")
    owner = home.stat().st_uid
    if os.geteuid() not in (0, owner):
        return Finding(
            "home", "fail", f"{home} is {name_of_user(owner)}'s", f"run as {name_of_user(owner)}, or chown it"
        )
    open_secrets = [home / name for name in _SECRETS if _is_open(home / name)]
    if open_secrets:
        shown = " ".join(map(str, open_secrets))
        return Finding("home", "fail", f"others can read {shown}", f"chmod 600 {shlex.join(map(str, open_secrets))}")
    if _is_open(home):
        return Finding(
            "home",
            "warn",
            f"others can enter {home}",
            f"chmod 700 {shlex.quote(str(home))} (the daemon does it at its start)",
        )
    return Finding("home", "ok", f"{home}, {name_of_user(owner)}'s alone")


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & 0o077)


def check_socket_path(home: Path) -> Finding:
    """Check that the sockets in the home fit into an address; those of the engines are the longest."""
    path = longest_socket_path(home)
    length = len(os.fsencode(path))
    if length <= SOCKET_PATH_MAX_BYTES:
        return Finding("socket", "ok", f"{path}, {length} of {SOCKET_PATH_MAX_BYTES} bytes")
    advice = "choose a shorter --home"
    return Finding("socket", "fail", f"{path} takes {length} bytes, {SOCKET_PATH_MAX_BYTES} are possible", advice)


def check_sqlite(version: tuple[int, ...]) -> Finding:
    """Check that SQLite is new enough."""
    shown = ".".join(map(str, version))
    if version >= _SQLITE_OLDEST:
        return Finding("sqlite", "ok", shown)
    return Finding("sqlite", "fail", f"{shown} is too old", "use a Python with SQLite 3.37 or later")


def check_database(path: Path) -> Finding:
    """Check that the registry is whole, without touching it."""
    if not path.exists():
        return Finding("database", "ok", "not there yet: the daemon makes it")
    advice = "stop the daemon and start it again: it restores the newest copy and takes its engines up"
    try:
        count = count_sessions(path)
    except StoreDamagedError as error:
        return Finding("database", "fail", f"{path}: {error}", advice)
    return Finding("database", "ok", f"whole, {count} sessions")


def check_owners(home: Home, command_argv: Sequence[str]) -> Finding:
    """Check that in no session's directory an engine runs that this program did not start."""
    if not home.locks.is_dir():  # nothing is made here: whoever asks may be another user
        return Finding("engines", "ok", "none was started yet")
    locks, recognizes = SessionLocks(home.locks, home.former_locks), partial(is_engine, command_argv=command_argv)
    strangers = find_strangers(home.sessions, locks, recognizes)
    if not strangers:
        return Finding("engines", "ok", "in no session's directory runs one that is not ours")
    now = SystemClock().now().at
    shown = "; ".join(f"{session_id}: {each.owned_by(now).sentence}" for session_id, each in strangers.items())
    pids = " ".join(str(each.identity.pid) for each in strangers.values())
    return Finding("engines", "fail", shown, f"kill {pids}")


def check_port(name: str, address: Address) -> Finding:
    """Check that nobody else listens where the daemon wants to; only while it does not run."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        socket.create_server((address.host, address.port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            advice = f"`lsof -i :{address.port}` names who; end it, or choose another {name}"
            return Finding(name, "fail", f"{address} is taken", advice)
        return Finding(name, "fail", f"{address}: {error.strerror}", f"choose another {name}")
    return Finding(name, "ok", f"{address} is free")


class Running(NamedTuple):
    """A daemon that answers; `engine` None: it does not tell, as one of an earlier version."""

    version: str
    engine: str | None = None


def running_daemon(home: Path) -> Running | None:
    """Return what the daemon that answers at this home says of itself; None when none does."""
    try:
        answer = Client(SocketDaemon(socket_of(home)), timeout_s=_CONNECT_S).get("/v1/system")
    except NotReachableError:
        return None
    except CommandFailedError:
        return Running("unknown")
    told = cast("Mapping[str, Json]", answer)
    engine = told.get("engine")
    return Running(str(told["version"]), engine if isinstance(engine, str) else None)


def check_daemon(running: str | None, version: str) -> Finding:
    """Check that a daemon runs, and that it is of this version."""
    if running is None:
        return Finding("daemon", "warn", "none answers", "openwa-manager serve, or service install")
    if running == version:
        return Finding("daemon", "ok", f"answers, version {running}")
    return Finding("daemon", "warn", f"version {running} runs, this is {version}", "restart it: its engines go on")


def check_upstream(url: str) -> Finding:
    """Check that the backend can be reached; nothing is sent but the handshakes of TCP and TLS."""
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    try:
        with socket.create_connection((host, port), _CONNECT_S) as connection:
            if is_tls:
                ssl.create_default_context().wrap_socket(connection, server_hostname=host).close()
    except OSError as error:  # TLS's own errors are of this family too
        advice = "see that the backend is up, its name resolves here, its certificate is valid, no firewall is between"
        return Finding("upstream", "fail", f"{host}:{port}: {error}", advice)
    return Finding("upstream", "ok", f"{host}:{port} accepts {'TLS' if is_tls else 'TCP (without TLS)'}")
