"""Where a caller is."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Literal

from openwa_manager.domain.values import dataclass

#: The header in which a proxy tells for whom it asks.
AddressHeader = Literal["X-Forwarded-For", "Forwarded"]

#: So much of an IPv6 address names a customer's network; the rest of it whoever is there may choose (RFC 6177).
_IPV6_PREFIX = 64


#: The IPv6 addresses that are written for IPv4 addresses (RFC 4291, 2.5.5.2).
_MAPPED = IPv6Network("::ffff:0:0/96")


def as_its_clients_say(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """Return a network as `ClientAddress` says its addresses: one of IPv4 that was written as IPv6 is one of IPv4."""
    if isinstance(network, IPv4Network) or not network.subnet_of(_MAPPED):
        return network
    mapped = network.network_address.ipv4_mapped
    return network if mapped is None else IPv4Network((mapped, network.prefixlen - _MAPPED.prefixlen))


@dataclass(frozen=True, slots=True)
class ClientAddress:
    """The address a request came from, as far as proxies that are trusted tell.

    It is as the client itself would say it: one of IPv4 that was written as IPv6 (RFC 4291, 2.5.5.2) is one of IPv4.
    """

    ip: IPv4Address | IPv6Address

    def __post_init__(self) -> None:
        """Undo the writing of an IPv4 address as IPv6."""
        if isinstance(self.ip, IPv6Address) and self.ip.ipv4_mapped is not None:
            object.__setattr__(self, "ip", self.ip.ipv4_mapped)

    @property
    def group(self) -> str:
        """Return the name under which limits count it: an IPv4 address, or the /64 of an IPv6 address."""
        if isinstance(self.ip, IPv4Address):
            return str(self.ip)
        return str(ip_network((self.ip, _IPV6_PREFIX), strict=False))

    def __str__(self) -> str:
        return str(self.ip)
