"""Tells which sockets of this host take connections to 127.0.0.1, as Linux tells it."""

import errno
import os
import socket
import struct
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

#: The state of a listening socket in /proc/net/tcp (include/net/tcp_states.h).
_LISTEN = b"0A"

#: A netlink message (netlink(7)) with a question of sock_diag(7); the socket module may lack AF_NETLINK.
_AF_NETLINK, _NETLINK_SOCK_DIAG = 16, 4
_SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, _NLM_F_DUMP = 20, 0x1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
#: `struct nlmsghdr`, `struct inet_diag_req_v2` without its socket, which a dump does not look at, and `struct nlattr`.
_HEADER, _REQUEST, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBBBI48x"), struct.Struct("=HH")
#: `struct inet_diag_bc_op` twice: a test, where to go on if it holds and if not, and the port that it is about.
_TEST = struct.Struct("=BBHxxH")
_REQ_BYTECODE, _PORT_AT_LEAST, _PORT_AT_MOST = 1, 2, 3
#: Of `struct inet_diag_msg` the family, the port and the address; its inode is the last of its fields.
_FAMILY_AND_PORT, _INODE = struct.Struct("!BxxxH"), struct.Struct("=I")
_ADDRESS_AT, _INODE_AT = 8, 68
_ADDRESS_BYTES = {socket.AF_INET: 4, socket.AF_INET6: 16}
_ANSWER_BYTES, _ANSWER_WITHIN_S = 65_536, 1.0

#: The addresses that take connections to 127.0.0.1, the closest first.
_ADDRESSES = tuple(
    socket.inet_pton(family, address)
    for family, address in (
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET6, "::ffff:127.0.0.1"),
        (socket.AF_INET, "0.0.0.0"),  # noqa: S104 looked for, not listened on
        (socket.AF_INET6, "::"),
    )
)


class ListeningSocket(NamedTuple):
    """A socket that listens: its port, its address as bytes, and the number of its inode."""

    port: int
    address: bytes
    inode: bytes


def inodes_at(port: int) -> frozenset[bytes]:
    """Return the inodes of the sockets that take connections to this port of 127.0.0.1; none when nobody listens.

    The kernel prefers the closest address, so that a listener on a wider one does not count beside it. This takes it
    some 40 us; it does not look at sockets that are connected, of which a host may have many.

    Raises:
        OSError: this kernel does not tell, or not us.
    """
    found: list[ListeningSocket] = []
    with socket.socket(_AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(_ANSWER_WITHIN_S)
        for family in _ADDRESS_BYTES:
            kernel.send(_question(family, port))
            found += _read_answers(kernel)
    return _closest({each for each in found if each.port == port})


def all_inodes() -> Mapping[int, frozenset[bytes]]:
    """Return the same of all ports, as /proc/net tells it, which takes 5 to 40 ms."""
    found: dict[int, set[ListeningSocket]] = {}
    for each in _listeners_in_proc():
        found.setdefault(each.port, set()).add(each)
    return {port: inodes for port, listeners in found.items() if (inodes := _closest(listeners))}


def _closest(listeners: Collection[ListeningSocket]) -> frozenset[bytes]:
    there = {each.address for each in listeners}
    closest = next((address for address in _ADDRESSES if address in there), None)
    return frozenset(each.inode for each in listeners if each.address == closest)


def _question(family: int, port: int) -> bytes:
    """Return what asks for the sockets of a family that listen on this port."""
    tests = (
        # Where a test does not hold, four bytes behind the end: that refuses the socket.
        _TEST.pack(_PORT_AT_LEAST, _TEST.size, 2 * _TEST.size + 4, port),
        _TEST.pack(_PORT_AT_MOST, _TEST.size, _TEST.size + 4, port),
    )
    filtered = b"".join((_ATTRIBUTE.pack(_ATTRIBUTE.size + 2 * _TEST.size, _REQ_BYTECODE), *tests))
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 1 << int(_LISTEN, 16))
    size, flags = _HEADER.size + len(request) + len(filtered), _NLM_F_REQUEST | _NLM_F_DUMP
    return _HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, flags, 0, 0) + request + filtered


def _read_answers(kernel: socket.socket) -> Iterator[ListeningSocket]:
    while True:
        received, begin = kernel.recv(_ANSWER_BYTES), 0
        while begin < len(received):
            size, kind, *_ = _HEADER.unpack_from(received, begin)
            if kind == _NLMSG_DONE:
                return
            if kind == _NLMSG_ERROR:
                number = -struct.unpack_from("=i", received, begin + _HEADER.size)[0]
                raise OSError(number or errno.EIO, os.strerror(number or errno.EIO))
            yield _listener_in(received[begin + _HEADER.size : begin + size])
            begin += (size + 3) & ~3


def _listener_in(answer: bytes) -> ListeningSocket:
    family, port = _FAMILY_AND_PORT.unpack_from(answer)
    address = answer[_ADDRESS_AT : _ADDRESS_AT + _ADDRESS_BYTES[family]]
    (inode,) = _INODE.unpack_from(answer, _INODE_AT)
    return ListeningSocket(port, address, b"%d" % inode)


def _listeners_in_proc() -> Iterator[ListeningSocket]:
    for name in ("tcp", "tcp6"):
        with suppress(OSError):  # a kernel without IPv6
            for line in Path(f"/proc/net/{name}").read_bytes().splitlines()[1:]:
                _, local, _, state, *_, inode = line.split(maxsplit=10)[:10]
                address, _, port = local.partition(b":")
                if state == _LISTEN:
                    yield ListeningSocket(int(port, 16), _address_in_proc(address), inode)


def _address_in_proc(written: bytes) -> bytes:
    """Return an address that /proc/net/tcp writes as words of 32 bits in the order of this machine."""
    words = (int(written[start : start + 8], 16) for start in range(0, len(written), 8))
    return b"".join(word.to_bytes(4, sys.byteorder) for word in words)
