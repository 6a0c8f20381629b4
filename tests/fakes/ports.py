"""Loopback ports for tests that must name one before anybody listens there."""

import os
import socket
from itertools import count

#: Below the ports that the system hands out by itself, and above those of the engines (`tests/e2e/peers/daemon.py`).
_FIRST, _PER_WORKER = 20_000, 3_000
_WORKERS = 4

_number = count(os.getpid() * 131)


def free_ports(count: int) -> list[int]:
    """Return so many ports nobody listens on, none of which another test of this run is given for a long time."""
    ports: list[int] = []
    while len(ports) < count:
        port = _next_port()
        if is_free(port):
            ports.append(port)
    return ports


def _next_port() -> int:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    return _FIRST + worker * _PER_WORKER + next(_number) % _PER_WORKER


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a loopback port."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
