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
    """A daemon of this host; the peer's user is the key, unless that process takes connections by TCP itself."""

    socket_path: Path
    key: str | None = None


Daemon = UrlDaemon | SocketDaemon


def find_daemon(url: str | None, home: str | None, environ: Mapping[str, str]) -> Daemon:
    """Return the daemon meant by the flags, else by the environment, else the first home whose socket exists.

    Raises:
        NotReachableError: nothing is named and no socket exists, or that of another user does.
    """
    if home and not url:
        return SocketDaemon(socket_of(Path(home)))
    if url := url or environ.get("OPENWA_BASE_URL"):
        return UrlDaemon(url=url, key=environ.get("OPENWA_API_KEY") or None)
    if home := environ.get("OPENWA_MANAGER_HOME"):
        return SocketDaemon(socket_of(Path(home)))
    sockets = [socket_of(Path(candidate)) for candidate in HOMES]
    for candidate in sockets:
        try:
            if candidate.exists():
                return SocketDaemon(candidate)
        except PermissionError as error:
            raise NotReachableError(ways_in(SocketDaemon(candidate))) from error
    tried = " and ".join(map(str, sockets))
    raise NotReachableError(f"no daemon is running here: tried {tried}; start one with `openwa-manager serve`")


def ways_in(daemon: Daemon) -> str:
    """Return what is said to somebody whom a daemon's socket does not let in: whose it is, and the two ways in."""
    if isinstance(daemon, UrlDaemon):
        return f"this user may not connect to {daemon.url}"
    from openwa_manager.cli.listening import url_of

    owner_id = _owner_id_of(daemon.socket_path)
    owner = None if owner_id is None else _name_of(owner_id)
    home = daemon.socket_path.parent.parent
    url = None if owner_id is None else url_of(owner_id)
    return (
        f"the daemon at {home} belongs to {f'the user {owner}' if owner else 'another user'}, who alone may use its "
        f"socket.\nEither run this as that user: sudo -u {owner or 'USER'} openwa-manager …\n"
        f"or with a key of that daemon: OPENWA_API_KEY=owm_… openwa-manager --url {url or 'http://127.0.0.1:2790'} …"
    )


def _owner_id_of(path: Path) -> int | None:
    """Return the user who owns the path, or what of it may be looked at; None when nobody can tell."""
    for known in (path, *path.parents):
        try:
            return known.stat().st_uid
        except OSError:
            continue
    return None


def _name_of(owner_id: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(owner_id).pw_name
    except KeyError:
        return f"#{owner_id}"  # as sudo takes it


def socket_of(home: Path) -> Path:
    """Return where the daemon of this home listens for commands."""
    return expanded(home) / "run" / "manager.sock"
