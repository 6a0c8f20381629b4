"""Which addresses an endpoint may have: nobody may make us connect to hosts of our own network."""

import ipaddress
import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.messaging.media_problems import NONE_PUBLIC, NOT_PUBLIC
from openwa_manager.domain.urls import url_problem

#: The last label of a name is never a number (WHATWG URL); the system would take it for an address all the same.
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_NAT64 = IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = IPv6Network("::/96")
#: Closed, although the standard library calls them global: protocol assignments (Oracle's metadata among them),
#: Azure's metadata, and the site-local addresses of old.
_CLOSED = (IPv4Network("192.0.0.0/24"), IPv4Network("168.63.129.16/32"), IPv6Network("fec0::/10"))


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the open internet, also when wrapped for a tunnel or a translator."""
    parsed = ipaddress.ip_address(address)
    inner = _unwrapped(parsed) if isinstance(parsed, IPv6Address) else parsed
    if any(inner in network for network in _CLOSED):
        return False
    return inner.is_global and not (inner.is_multicast or inner.is_reserved)


def _unwrapped(address: IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address inside an IPv6 one that stands for it, else the address itself."""
    if embedded := address.ipv4_mapped or address.sixtofour:
        return embedded
    if address in _NAT64 or address in _IPV4_COMPATIBLE:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


class NotPublicError(OSError):
    """A name leads to addresses, but to none that is public."""


class AddressGuard(AbstractResolver):
    """Resolves names, and lets only public addresses pass.

    The connection is made to the very address that was checked, so a name that changes its answer gains nothing.
    `exempt` are URLs an administrator chose: their host and port may be anywhere. So may `hosts`, with any port.
    `allow_private` lets all pass. `permitted_by` is the setting that people are told to change, `names` what knows the
    addresses of names.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        exempt: tuple[str, ...] = (),
        hosts: Iterable[str] = (),
        permitted_by: str = "allow_private_endpoints",
        names: AbstractResolver | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._exempt = {(url.host, url.port) for url in map(URL, exempt)}
        self._hosts = frozenset(host.strip().strip("[]").lower() for host in hosts) - {""}
        self._permitted_by = permitted_by
        self._names = names

    def strict(self) -> "AddressGuard":
        """Return one that lets nothing pass but what is public."""
        return AddressGuard()

    def check_url(self, url: str) -> None:
        """Accept a URL we may post to; a name is checked again whenever it is resolved.

        Raises:
            InvalidInputError: it is not http(s), carries credentials, or names an address that is not public.
        """
        if (problem := url_problem(url)) is not None:
            raise InvalidInputError("url", problem)
        try:
            parsed = URL(url)
            scheme, host, port, user = parsed.scheme, parsed.host, parsed.port, parsed.user or parsed.password
        except (ValueError, IndexError) as error:  # a host that is no name: yarl decodes it only when asked
            raise InvalidInputError("url", f"is no URL: {error}") from error
        if scheme not in ("http", "https") or not host or not port:
            raise InvalidInputError("url", "must be http:// or https:// with a host")
        if user:
            raise InvalidInputError("url", "must not carry credentials; deliveries are signed")
        if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) and not is_literal(host):
            raise InvalidInputError("url", f"{host} is no address: write it as four decimal numbers")
        if (refusal := self.refusal(host, port)) is not None:
            raise InvalidInputError("url", refusal)

    def refusal(self, host: str, port: int) -> str | None:
        """Return why a literal address or a name that never leaves this machine is refused; None if it may pass."""
        if self._lets_pass(host, port):
            return None
        if host.rstrip(".").endswith("localhost") or (is_literal(host) and not is_public(host)):
            return f"{host} {NOT_PUBLIC} ({self._permitted_by} permits it)"
        return None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the permitted addresses of a name.

        Raises:
            OSError: it has none (aiohttp makes a connection error of it); a `NotPublicError` if it has others.
        """
        found = await (self._names or ThreadedResolver()).resolve(host, port, family)
        if self._lets_pass(host, port):
            return found
        permitted = [address for address in found if is_public(address["host"])]
        if not permitted:
            raise NotPublicError(None, f"{host} {NONE_PUBLIC} ({self._permitted_by} permits it)")
        return permitted

    async def close(self) -> None:
        """Do nothing; aiohttp asks its resolvers to close."""

    def _lets_pass(self, host: str, port: int) -> bool:
        return self._allow_private or (host, port) in self._exempt or host.lower() in self._hosts


def is_literal(host: str) -> bool:
    """Tell whether a host is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
