"""The line between a mock and its world: a pair of sockets, a byte for each thing said, at times with a connection."""

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

#: The world is ready; it is to end and give way to another, whose keeper answers the connection that comes along.
READY, RESET = b"r", b"R"
#: The world is to end.
END: Final = b"e"
_BYTES_MAX = 64


class Said(NamedTuple):
    """What came over a line; `is_over`: the other side is gone. The connections belong to whoever gets them."""

    is_over: bool
    is_ready: bool
    connections: Sequence[socket.socket]


def ask_for_reset(line: socket.socket, connection_fd: int) -> None:
    """Ask for another world; the keeper answers on a connection, of which the caller's own descriptor stays his."""
    socket.send_fds(line, [RESET], [connection_fd])


def hear(line: socket.socket) -> Said:
    """Return what was said since; waits if that is nothing."""
    try:
        data, fds, _, _ = socket.recv_fds(line, _BYTES_MAX, _BYTES_MAX)
    except ConnectionResetError:
        data, fds = b"", []
    return Said(not data, READY in data, [_owned(fd) for fd in fds])


def hear_rest(line: socket.socket) -> Sequence[socket.socket]:
    """Return the connections that came along with what was said and not heard; waits for nothing."""
    line.setblocking(False)
    connections: list[socket.socket] = []
    with suppress(BlockingIOError):
        while not (said := hear(line)).is_over:
            connections += said.connections
    return connections


def _owned(fd: int) -> socket.socket:
    """Return the connection of a descriptor that came over a line; none of our children gets it."""
    os.set_inheritable(fd, False)
    return socket.socket(fileno=fd)
