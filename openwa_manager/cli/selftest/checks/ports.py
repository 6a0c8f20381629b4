"""Whether a port that somebody listens on everywhere can be taken on loopback."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from openwa_manager.cli.selftest.facts import Facts, outcome_of
from openwa_manager.domain.errors import PortInUseError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.processes.ports import PortPool

_LOOPBACK = "127.0.0.1"
_CONNECT_S = 2.0
#: Who listens, by name: family and address.
_LISTENERS = {
    "loopback": (socket.AF_INET, _LOOPBACK),
    "wildcard": (socket.AF_INET, "0.0.0.0"),  # noqa: S104 for a moment, and nothing is read
    "wildcard6": (socket.AF_INET6, "::"),
}


def bind_beside_wildcard(_place: Path) -> Iterator[Facts]:
    """Listen as others do, then try to bind loopback at the same port, and ask our own pool of ports for it."""
    for name, (family, address) in _LISTENERS.items():
        try:
            listener = socket.create_server((address, 0), family=family, dualstack_ipv6=family == socket.AF_INET6)
        except OSError:  # no IPv6 here
            yield {name: None}
            continue
        with closing(listener):
            yield {name: _beside(listener.getsockname()[1])}


def _beside(port: int) -> Facts:
    return {
        "bind": outcome_of(lambda: _bind(port, reuses=False)),
        "bind_reusing": outcome_of(lambda: _bind(port, reuses=True)),
        "connect": outcome_of(lambda: socket.create_connection((_LOOPBACK, port), _CONNECT_S).close()),
        "pool_says_free": _is_free_for_pool(port),
    }


def _bind(port: int, *, reuses: bool) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuses))
        probe.bind((_LOOPBACK, port))


def _is_free_for_pool(port: int) -> bool:
    try:
        PortPool(port, port).take(SessionId("selftest"), listens=True)
    except PortInUseError:
        return False
    return True
