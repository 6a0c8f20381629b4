"""Finds where another user's daemon listens by TCP: the kernel tells everybody whose socket has which port."""

import http.client
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

#: A listening socket (state 0A, include/net/tcp_states.h): its address, its port and its user.
_LISTENING = re.compile(
    r"^ *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:0000 0A (?:\S+ +){3}(\d+)", re.MULTILINE
)
#: Loopback, and every address, as the kernel writes them (net/ipv4/tcp_ipv4.c, net/ipv6/tcp_ipv6.c).
_HOSTS: Final = {
    "0100007F": "127.0.0.1",
    "00000000": "127.0.0.1",
    "00000000000000000000000001000000": "[::1]",
    "0" * 32: "[::1]",
}
_ASKED_MAX, _WITHIN_S = 8, 0.3


def url_of(user_id: int, net: Path = Path("/proc/net")) -> str | None:
    """Return where a daemon of this user answers on this host (Linux); None when none does, or it speaks TLS."""
    for number, (host, port) in enumerate(_places(user_id, net)):
        if number == _ASKED_MAX:
            break
        if _is_ours(host, port):
            return f"http://{host}:{port}"
    return None


def _places(user_id: int, net: Path) -> Iterator[tuple[str, int]]:
    for name in ("tcp", "tcp6"):
        try:
            text = (net / name).read_text("ascii")
        except (OSError, UnicodeDecodeError):
            continue
        for address, port, owner in _LISTENING.findall(text):
            if int(owner) == user_id and address in _HOSTS:
                yield _HOSTS[address], int(port, 16)


def _is_ours(host: str, port: int) -> bool:
    """Tell whether an API of ours answers there; the listener for engines has no such route."""
    with closing(http.client.HTTPConnection(host.strip("[]"), port, timeout=_WITHIN_S)) as connection:
        try:
            connection.request("GET", "/livez")
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        return answer.status == http.client.OK and answer.getheader("X-Request-ID") is not None
