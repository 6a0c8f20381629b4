"""Loopback ports for engines: numbers of our range that nobody listens on."""

import errno
import socket
from collections.abc import Iterable
from contextlib import closing

from openwa_manager.domain.errors import PortInUseError


class PortRange:
    """Hands out the ports of a range in turn, so that one just refused is not the next one tried."""

    def __init__(self, first: int, last: int) -> None:
        self._first = first
        self._count = last - first + 1
        self._next = 0

    def take(self, taken: Iterable[int]) -> int:
        """Return a port that is neither `taken` nor listened on by anyone.

        Raises:
            PortInUseError: the whole range is in use.
        """
        used = set(taken)
        for _ in range(self._count):
            port = self._first + self._next
            self._next = (self._next + 1) % self._count
            if port not in used and _is_free(port):
                return port
        last = self._first + self._count - 1
        raise PortInUseError(f"no free port in {self._first}-{last}; widen engine_ports or end what listens there")


def _is_free(port: int) -> bool:
    """Tell whether a server could listen here now; SO_REUSEADDR as node sets it, so TIME_WAIT does not count."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
        return True
