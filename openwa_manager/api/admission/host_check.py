"""Refuses requests that were meant for another host."""

import re
from collections.abc import Collection
from ipaddress import ip_address

from aiohttp import web

from openwa_manager.api.admission.peers.connection import own_address, unix_socket
from openwa_manager.api.errors import MisdirectedError
from openwa_manager.domain.urls import LOOPBACK_NAMES

#: So many spellings of our names are known again: each may have any port behind it.
_SPELLINGS_MAX = 64
_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(?::[0-9]*)?")


class HostCheck:
    """Lets a request pass if its `Host` is a name of this daemon; on the unix socket any will do.

    A web page can have its own name point at 127.0.0.1 (DNS rebinding): its requests then reach us, with its name in
    `Host`. `allowed_hosts` are the names a caller may use beside the loopback names and the address it connected to.
    """

    def __init__(self, allowed_hosts: Collection[str] = ()) -> None:
        self._hosts = LOOPBACK_NAMES | {host.lower() for host in allowed_hosts}
        self._spellings: set[str] = set()

    def require(self, request: web.Request) -> None:
        """Return if the request is for this daemon.

        Raises:
            MisdirectedError: its `Host`, or the one its target names, is none of ours.
        """
        if not self.is_for_us(request) and unix_socket(request) is None:
            raise MisdirectedError("this Host is not served here; the setting allowed_hosts names more")

    def is_for_us(self, request: web.Request) -> bool:
        """Tell whether a request that came over TCP names this daemon."""
        if not self._is_ours(request.headers.get("Host", ""), request):
            return False
        if request.raw_path.startswith("/"):
            return True
        # An absolute target, as proxies get it, counts before Host (RFC 9112, 3.2.2). Without a host it is `*`.
        target = request.url.raw_authority.rpartition("@")[2]
        return request.raw_path == "*" or self._is_ours(target, request)

    def _is_ours(self, authority: str, request: web.Request) -> bool:
        if authority in self._spellings:
            return True
        match = _HOST.fullmatch(authority)
        if match is None:
            return False
        host = (match["ipv6"] or match["name"]).lower()
        if host not in self._hosts:
            return self.is_name_of_ours(host, own_address(request))
        if len(self._spellings) < _SPELLINGS_MAX:
            self._spellings.add(authority)
        return True

    def is_name_of_ours(self, host: str, own: str) -> bool:
        """Tell whether a name or an address, in small letters, is of this daemon, which was reached at `own`."""
        return host in self._hosts or _is_same_address(host, own)


def _is_same_address(host: str, own: str) -> bool:
    try:
        return ip_address(host) == ip_address(own)
    except ValueError:
        return False
