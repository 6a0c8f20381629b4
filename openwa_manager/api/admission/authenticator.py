"""Who may call: the Host that was meant, the API key that was given, the user behind the unix socket."""

import hashlib
import hmac
import os
import re
import socket
import struct
import sys
from collections.abc import Collection
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from openwa_manager.api.errors import MisdirectedError, UnauthenticatedError
from openwa_manager.domain.errors import ConfigError

#: Answered without a key, and without any detail.
OPEN_PATHS = frozenset({"/livez", "/readyz", "/api/health", "/api/health/live", "/api/health/ready"})
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_KEY = re.compile(r"owm_[a-z0-9]+_[A-Za-z0-9_-]{32,}")
_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(?::[0-9]*)?")


class Authenticator:
    """Lets in whoever holds the admin's key or owns the daemon, and only if this host was meant.

    `allowed_hosts` are names a caller may put into `Host` beside the loopback names and the address it connected to.
    """

    def __init__(self, admin_key: str, allowed_hosts: Collection[str] = ()) -> None:
        self._admin_hash = _hash(admin_key)
        self._hosts = _LOOPBACK_NAMES | {host.lower() for host in allowed_hosts}

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on.

        Raises:
            MisdirectedError: its `Host` is none of ours, as after DNS rebinding.
            UnauthenticatedError: no key, or not a right one.
        """
        peer = _unix_socket(request)
        if peer is None and not self._is_meant(request):
            raise MisdirectedError("this Host is not served here; the setting allowed_hosts names more")
        is_open = request.path in OPEN_PATHS and not request.query_string  # detail is for those with a key
        if not is_open and not (peer is not None and is_own_user(peer)):
            self._require_key(request)
        return await handler(request)

    def _is_meant(self, request: web.Request) -> bool:
        match = _HOST.fullmatch(request.headers.get("Host", ""))
        if match is None:
            return False
        host = (match["ipv6"] or match["name"]).lower()
        return host in self._hosts or _is_same_address(host, _own_address(request))

    def _require_key(self, request: web.Request) -> None:
        # Both sides are hashed first, so that the time it takes tells neither content nor length.
        if not hmac.compare_digest(_hash(_given_key(request)), self._admin_hash):
            raise UnauthenticatedError("a valid API key is needed: X-API-Key, or Authorization: Bearer")


def make_admin_key(path: Path) -> str:
    """Return the admin's key from its file, which is made (0600) when there is none.

    Raises:
        ConfigError: others may read the file, or it holds no key.
    """
    if not path.exists():
        _write_new_key(path)
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} can be read by others; run: chmod 600 {path}")
    key = path.read_text(encoding="ascii", errors="replace").strip()
    if _KEY.fullmatch(key) is None:
        raise ConfigError(f"{path} holds no key of the form owm_<id>_<secret>; remove it and start again for a new one")
    return key


def _write_new_key(path: Path) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.unlink(missing_ok=True)
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "w", encoding="ascii") as opened:
        opened.write(f"owm_admin_{os.urandom(32).hex()}\n")
        opened.flush()
        os.fsync(opened.fileno())
    unfinished.replace(path)


def is_own_user(peer: socket.socket) -> bool:
    """Tell whether the process at the other end of a unix socket runs as our user or as root."""
    return _peer_uid(peer) in (os.geteuid(), 0)


if sys.platform == "linux":

    def _peer_uid(peer: socket.socket) -> int:
        """Return the uid of SO_PEERCRED: `struct ucred` is pid, uid, gid (unix(7))."""
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
        uid: int = struct.unpack("iII", credentials)[1]
        return uid

else:  # pragma: no cover (macOS)
    _SOL_LOCAL, _LOCAL_PEERCRED = 0, 1

    def _peer_uid(peer: socket.socket) -> int:
        """Return the uid of LOCAL_PEERCRED: `struct xucred` begins with version and uid (sys/ucred.h)."""
        credentials = peer.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 76)
        uid: int = struct.unpack_from("II", credentials)[1]
        return uid


def _unix_socket(request: web.Request) -> socket.socket | None:
    transport = request.transport
    peer: socket.socket | None = transport.get_extra_info("socket") if transport else None
    return peer if peer is not None and peer.family == socket.AF_UNIX else None


def _own_address(request: web.Request) -> str:
    """Return the address of ours that this connection reached; empty when it is closed already."""
    name = request.transport.get_extra_info("sockname") if request.transport else None
    return str(name[0]) if name else ""


def _is_same_address(host: str, own: str) -> bool:
    try:
        return ip_address(host) == ip_address(own)
    except ValueError:
        return False


def _given_key(request: web.Request) -> str:
    key = request.headers.get("X-API-Key")
    if key is not None:
        return key
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
