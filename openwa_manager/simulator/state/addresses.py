"""OpenWA's SSRF guard, which tells where it may be sent to, and the name that our shim knows in an OpenWA."""

import ipaddress
import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

from openwa_manager.simulator.http.errors import refusal
from openwa_manager.simulator.settings import Intake

REFUSED = "Destination address is not allowed"
#: OpenWA 0.23, src/common/security/ssrf-guard.ts.
_BLOCKED = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"),
        ),
    )
)
_GLOBAL = IPv6Network("2000::/3")
_PUBLIC_NAME = re.compile(r"([a-z0-9-]+\.)+[a-z][a-z0-9-]*")


class AddressGuard:
    """Knows the hosts that SSRF_ALLOWED_HOSTS names; offline, no other name resolves, so all others are refused."""

    def __init__(self, allowed_hosts: frozenset[str], intake: Intake | None, *, is_online: bool) -> None:
        self._allowed_hosts = allowed_hosts
        self._intake = intake
        self._is_online = is_online

    def check(self, url: str) -> None:
        """Refuse a URL whose host is private or does not resolve. Raises: HttpError."""
        if not self.allows(url):
            raise refusal(400, REFUSED)

    def allows(self, url: str) -> bool:
        """Tell whether a URL may be posted to, or fetched."""
        try:
            target = urlsplit(url)
            host = target.hostname
        except ValueError:
            return False
        if host is None or target.scheme not in ("http", "https"):
            return False
        if host in self._allowed_hosts:
            return True
        try:
            return _is_public(ipaddress.ip_address(host))
        except ValueError:
            return self._is_online and _PUBLIC_NAME.fullmatch(host) is not None

    def address(self, host: str, port: int) -> str:
        """Return what to connect to. Raises: ConnectionRefusedError: of the manager's name the port is not its own."""
        if self._intake is None or host != self._intake.name:
            return host
        if port != self._intake.port:
            raise ConnectionRefusedError(f"connect ECONNREFUSED {host}:{port}")
        return self._intake.address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        return _is_public(inner) if inner else address in _GLOBAL
    return not any(address in network for network in _BLOCKED)
