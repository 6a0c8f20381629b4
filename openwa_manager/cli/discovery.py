"""Which daemon a command talks to: the one named, else the first that is found."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from openwa_manager.cli.errors import NotReachableError
from openwa_manager.host.user_paths import expanded

HOMES = ("~/.openwa-manager", "/opt/openwa")


class UrlDaemon(NamedTuple):
    """A daemon anywhere; `key` None means that none was given."""

    url: str
    key: str | None


class SocketDaemon(NamedTuple):
    """A daemon of this host; the peer's user is the key."""

    socket_path: Path


Daemon = UrlDaemon | SocketDaemon


def find_daemon(url: str | None, home: str | None, environ: Mapping[str, str]) -> Daemon:
    """Return the daemon meant by the flags, else by the environment, else the first home whose socket exists.

    Raises:
        NotReachableError: nothing is named and no socket exists.
    """
    if home and not url:
        return SocketDaemon(socket_of(Path(home)))
    if url := url or environ.get("OPENWA_BASE_URL"):
        return UrlDaemon(url=url, key=environ.get("OPENWA_API_KEY") or None)
    if home := environ.get("OPENWA_MANAGER_HOME"):
        return SocketDaemon(socket_of(Path(home)))
    sockets = [socket_of(Path(candidate)) for candidate in HOMES]
    for candidate in sockets:
        if candidate.exists():
            return SocketDaemon(candidate)
    tried = " and ".join(map(str, sockets))
    raise NotReachableError(f"no daemon is running here: tried {tried}; start one with `openwa-manager serve`")


def socket_of(home: Path) -> Path:
    """Return where the daemon of this home listens for commands."""
    return expanded(home) / "run" / "manager.sock"
