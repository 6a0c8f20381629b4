"""OpenWA's SSRF guard: which hosts it may be sent to."""

import re
from urllib.parse import urlsplit

from openwa_manager.simulator.http.errors import refusal


class AddressGuard:
    """Knows the hosts that SSRF_ALLOWED_HOSTS names; offline, no other host resolves, so all others are refused."""

    def __init__(self, allowed_hosts: frozenset[str], *, is_online: bool) -> None:
        self._allowed_hosts = allowed_hosts
        self._is_online = is_online

    def check(self, url: str) -> None:
        """Refuse a URL whose host is private or does not resolve. Raises: HttpError."""
        if not self._is_allowed(url):
            raise refusal(400, "Destination address is not allowed")

    def _is_allowed(self, url: str) -> bool:
        try:
            host = urlsplit(url).hostname
        except ValueError:
            return False
        if host is None:
            return False
        is_public_name = re.fullmatch(r"([a-z0-9-]+\.)+[a-z][a-z0-9-]*", host) is not None
        return host in self._allowed_hosts or (self._is_online and is_public_name)
