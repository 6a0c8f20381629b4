"""What the connection itself tells of a caller: which address of ours it reached, which user is behind a socket."""

import errno
import os
import re
import select
import socket
import struct
import sys
from collections.abc import Callable

from aiohttp import HttpVersion11, web

_LOCALHOST = re.compile(r"localhost(?::[0-9]*)?", re.IGNORECASE)
#: What proxies add to a request that they hand on.
_HANDED_ON = re.compile(r"forwarded|x-forwarded-.*|via|cf-.*", re.IGNORECASE)
#: `struct xucred` of macOS (bsd/sys/ucred.h): version, uid, how many groups, and room for 16 of them.
_XUCRED = struct.Struct("@2Ih16I")


def unix_socket(request: web.Request) -> socket.socket | None:
    """Return the unix socket the request came through; None when it came over TCP or is closed already."""
    transport = request.transport
    if transport is None or isinstance(transport.get_extra_info("peername"), tuple):
        return None
    peer: socket.socket | None = transport.get_extra_info("socket")
    return peer if peer is not None and peer.family == socket.AF_UNIX else None


def own_address(request: web.Request) -> str:
    """Return the address of ours that this connection reached; empty when it is closed already."""
    name = request.transport.get_extra_info("sockname") if request.transport else None
    return str(name[0]) if name else ""


def is_own_user(peer: socket.socket) -> bool:
    """Tell whether the process at the other end of a unix socket runs as our user or as root."""
    return _peer_uid(peer) in (os.geteuid(), 0)


def uid_of_xucred(raw: bytes) -> int:
    """Return the user that a `struct xucred` names."""
    uid: int = _XUCRED.unpack(raw)[1]
    return uid


def is_direct(request: web.Request) -> bool:
    """Tell whether a request came from a program on this host for itself: through no proxy, to `localhost`.

    A proxy that runs as root, or as our user, is not the admin whose requests it hands on. Nor is whoever speaks the
    HTTP of 1996: nginx does unless told otherwise, with `localhost` as the name of every host, and no command does.
    """
    hosts = request.headers.getall("Host", [])
    is_for_localhost = len(hosts) == 1 and _LOCALHOST.fullmatch(hosts[0]) is not None
    is_handed_on = any(_HANDED_ON.fullmatch(name) for name in request.headers)
    is_of_today = request.version >= HttpVersion11
    return is_of_today and is_for_localhost and not is_handed_on and request.raw_path.startswith("/")


def unless_closed(ask: Callable[[], int]) -> int | None:
    """Return what macOS tells of a peer; None once that has closed its side (ENOTCONN, XNU's uipc_ctloutput)."""
    try:
        return ask()
    except OSError as error:
        if error.errno not in (errno.ENOTCONN, errno.EINVAL):
            raise
        return None


if sys.platform == "linux":
    _SO_PEERPIDFD = 77  # asm-generic/socket.h, Linux >= 6.5

    def peer_pid(peer: socket.socket) -> int | None:
        """Return who connected to us; 0 for one that is in no pid namespace of ours, None when it has ended since."""
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
        pid: int = struct.unpack("iII", credentials)[0]
        try:
            process = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
        except OSError as error:  # an older kernel does not know the option, a newer one not the process any more
            return pid if error.errno in (errno.ENOPROTOOPT, errno.EINVAL) or pid == 0 else None
        try:
            ended = select.poll()  # unlike select() it takes descriptors above 1,023
            ended.register(process, select.POLLIN)
            return None if ended.poll(0) else pid
        finally:
            os.close(process)

    def _peer_uid(peer: socket.socket) -> int:
        """Return the uid of SO_PEERCRED: `struct ucred` is pid, uid, gid (unix(7))."""
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
        uid: int = struct.unpack("iII", credentials)[1]
        return uid

else:  # pragma: no cover (macOS)
    _SOL_LOCAL, _LOCAL_PEERCRED, _LOCAL_PEERPID = 0, 1, 2

    def peer_pid(peer: socket.socket) -> int | None:
        """Return who connected to us (LOCAL_PEERPID of sys/un.h); None when it has closed its side since."""
        return unless_closed(lambda: peer.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID))

    def _peer_uid(peer: socket.socket) -> int:
        """Return the uid of LOCAL_PEERCRED (sys/un.h)."""
        return uid_of_xucred(peer.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size))
