"""What the connection itself tells of a caller: which address of ours it reached, which user is behind a socket."""

import os
import socket
import struct
import sys

from aiohttp import web


def unix_socket(request: web.Request) -> socket.socket | None:
    """Return the unix socket the request came through; None when it came over TCP or is closed already."""
    transport = request.transport
    peer: socket.socket | None = transport.get_extra_info("socket") if transport else None
    return peer if peer is not None and peer.family == socket.AF_UNIX else None


def own_address(request: web.Request) -> str:
    """Return the address of ours that this connection reached; empty when it is closed already."""
    name = request.transport.get_extra_info("sockname") if request.transport else None
    return str(name[0]) if name else ""


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
