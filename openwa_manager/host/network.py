"""Tells whether this host has a way out to the internet at all."""

import errno
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

#: Flags of a route (linux/route.h): usable, and one that refuses instead of delivering.
_RTF_UP = 0x0001
_RTF_REJECT = 0x0200

#: Addresses reserved for documentation (RFC 5737, RFC 3849): only a default route leads there.
FAR_AWAY = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETDOWN)


def has_default_route(proc_net: Path = Path("/proc/net")) -> bool | None:
    """Tell whether packets to anywhere have a way out of this host; None when the system does not say."""
    if sys.platform == "linux":
        return _routes_of_linux(proc_net)
    else:  # noqa: RET505 mypy understands only this form
        return has_way_out()  # pragma: no cover (macOS and others)


def has_way_out(far_away: Sequence[tuple[int, str]] = FAR_AWAY) -> bool | None:
    """Tell the same by asking the kernel for a route to a far address; a datagram socket sends nothing by that."""
    for family, address in far_away:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((address, 9))
        except OSError as error:
            if error.errno not in _NO_WAY:
                return None
        else:
            return True
    return False


def _routes_of_linux(proc_net: Path) -> bool | None:
    try:
        routes = (proc_net / "route").read_bytes().splitlines()[1:]
    except OSError:
        return None
    try:
        routes6 = (proc_net / "ipv6_route").read_bytes().splitlines()
    except OSError:  # no IPv6 in this kernel
        routes6 = []
    return any(map(_is_default, routes)) or any(map(_is_default6, routes6))


def _is_default(route: bytes) -> bool:
    """Read a line of /proc/net/route: interface destination gateway flags references use metric mask and more."""
    _, destination, _, flags, _, _, _, mask, *_ = route.split()
    return int(destination, 16) == 0 and int(mask, 16) == 0 and _is_usable(flags)


def _is_default6(route: bytes) -> bool:
    """Read a line of /proc/net/ipv6_route: destination length source length next-hop metric refs use flags device."""
    destination, length, _, _, _, _, _, _, flags, device = route.split()
    return int(destination, 16) == 0 and int(length, 16) == 0 and device != b"lo" and _is_usable(flags)


def _is_usable(flags: bytes) -> bool:
    return int(flags, 16) & (_RTF_UP | _RTF_REJECT) == _RTF_UP
