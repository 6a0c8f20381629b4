"""Chooses loopback ports for engines: numbers of our range that nobody listens on."""

import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import closing

from openwa_manager.domain.errors import PortInUseError
from openwa_manager.domain.session.session import SessionId

_LOOPBACK = "127.0.0.1"
#: Loopback answers within microseconds, unless whoever listens has more callers than it takes.
_ANSWER_S = 0.1


def can_bind(port: int) -> bool:
    """Tell whether the system lets a server have this port; SO_REUSEADDR as node sets it, so TIME_WAIT does not count.

    Raises:
        PortInUseError: no port at all can be tried.
    """
    try:
        with closing(_stream()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((_LOOPBACK, port))
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return False
        raise PortInUseError(f"no port can be tried: {error}") from error
    return True


class PortPool:
    """Hands out the ports of a range in turn, so that one just refused is not the next one tried.

    A port belongs to one session until that session takes another or gives it back. An engine on a socket has one too,
    as its `PORT`, though it does not listen there. `bind` is how the system is asked whether it would let us have one.
    """

    def __init__(self, first: int, last: int, bind: Callable[[int], bool] = can_bind) -> None:
        self._first = first
        self._can_bind = bind
        self._count = last - first + 1
        self._next = 0
        self._listening: dict[SessionId, int] = {}
        self._nominal: dict[SessionId, int] = {}

    def hold(self, session_id: SessionId, port: int, *, listens: bool) -> None:
        """Note the port a session has; `listens` tells whether its engine listens there."""
        (self._listening if listens else self._nominal)[session_id] = port

    def give_back(self, session_id: SessionId) -> None:
        """Free the session's port; without effect when it has none."""
        self._listening.pop(session_id, None)
        self._nominal.pop(session_id, None)

    def take(self, session_id: SessionId, *, listens: bool) -> int:
        """Return a port that no session holds and nobody listens on.

        Where there is none, an engine that listens gets one that no other engine listens on, and an engine that does
        not listen gets any.

        Raises:
            PortInUseError: the engine listens, and the whole range is listened on.
        """
        self.give_back(session_id)
        port = self._find(listens=listens)
        self.hold(session_id, port, listens=listens)
        return port

    def _find(self, *, listens: bool) -> int:
        taken, nominal = set(self._listening.values()), set(self._nominal.values())
        free = (port for port in self._in_turn() if port not in taken and port not in nominal and self._is_free(port))
        rest = self._in_turn()
        shared = (port for port in rest if port not in taken and self._is_free(port)) if listens else rest
        port = next(free, None) or next(shared, None)
        if port is None:
            last = self._first + self._count - 1
            raise PortInUseError(f"no free port in {self._first}-{last}; widen engine_ports or end what listens there")
        self._next = (port - self._first + 1) % self._count
        return port

    def _in_turn(self) -> Iterator[int]:
        return (self._first + (self._next + step) % self._count for step in range(self._count))

    def _is_free(self, port: int) -> bool:
        """Tell whether a server could listen here now, and nobody does.

        BSD, and so macOS, lets one bind to loopback beside a listener on all addresses, if SO_REUSEADDR is set and both
        are the same user's (XNU, bsd/netinet/in_pcb.c, in_pcbbind): its callers would then come to us, or ours to it.
        """
        return self._can_bind(port) and not _is_answered(port)


def _is_answered(port: int) -> bool:
    """Tell whether a call to this port is taken, or waits to be."""
    try:
        with closing(_stream()) as caller:
            caller.settimeout(_ANSWER_S)
            caller.connect((_LOOPBACK, port))
            return bool(caller.getsockname() != caller.getpeername())  # where nobody listens one may meet oneself
    except TimeoutError:
        return True
    except OSError:
        return False


def _stream() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
