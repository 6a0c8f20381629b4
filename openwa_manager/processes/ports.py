"""Chooses loopback ports for engines: numbers of our range that nobody listens on."""

import errno
import socket
from contextlib import closing

from openwa_manager.domain.errors import PortInUseError
from openwa_manager.domain.session.session import SessionId


class PortPool:
    """Hands out the ports of a range in turn, so that one just refused is not the next one tried.

    A port belongs to one session until that session takes another or gives it back.
    """

    def __init__(self, first: int, last: int) -> None:
        self._first = first
        self._count = last - first + 1
        self._next = 0
        self._held: dict[SessionId, int] = {}

    def hold(self, session_id: SessionId, port: int) -> None:
        """Note the port a session already has."""
        self._held[session_id] = port

    def give_back(self, session_id: SessionId) -> None:
        """Free the session's port; without effect when it has none."""
        self._held.pop(session_id, None)

    def take(self, session_id: SessionId) -> int:
        """Return a port that no session holds and nobody listens on.

        Raises:
            PortInUseError: the whole range is in use.
        """
        self.give_back(session_id)
        used = set(self._held.values())
        for _ in range(self._count):
            port = self._first + self._next
            self._next = (self._next + 1) % self._count
            if port not in used and _is_free(port):
                self.hold(session_id, port)
                return port
        last = self._first + self._count - 1
        raise PortInUseError(f"no free port in {self._first}-{last}; widen engine_ports or end what listens there")


def _is_free(port: int) -> bool:
    """Tell whether a server could listen here now; SO_REUSEADDR as node sets it, so TIME_WAIT does not count."""
    try:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return False
        raise PortInUseError(f"no port can be tried: {error}") from error
    return True
