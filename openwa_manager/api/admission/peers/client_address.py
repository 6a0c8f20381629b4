"""Finds out where a caller is, through the proxies that are trusted to say so."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from aiohttp import web

from openwa_manager.api.request_keys import CLIENT
from openwa_manager.domain.access.addresses import AddressHeader, ClientAddress

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

#: What a proxy writes for an address, some with a port (RFC 7239, 6; in X-Forwarded-For it is much the same).
_NODE: Final = re.compile(
    r"\[(?P<bracketed>[0-9A-Fa-f:.]{2,45})\](?::\d{1,5})?|(?P<ipv4>[0-9.]{7,15})(?::\d{1,5})?|(?P<ipv6>[0-9A-Fa-f:.]{2,45})"
)
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
#: One `name=value` of Forwarded (RFC 7239, 4); without quotes some also write the colons and brackets of an address.
_PAIR: Final = rf"""({_WORD})=(?:([!#$%&'*+.^_`|~0-9A-Za-z:\[\]-]+)|"((?:[^"\\]|\\.)*)")"""
_PAIRS: Final = re.compile(_PAIR)
_ELEMENT: Final = re.compile(rf"[ \t]*{_PAIR}(?:[ \t]*;[ \t]*{_PAIR})*;?[ \t]*")
#: So many commas may stand in the quotations of one element.
_COMMAS_MAX: Final = 8
#: More hops than this are no proxies of ours.
_HOPS_MAX: Final = 32


class ClientAddresses:
    """Knows which proxies are trusted, and in which header these tell for whom they ask.

    A proxy adds the address it was asked from at the end of the header; what stands before that came with the request,
    and anybody may have written it. So the header is read from its end, as long as trusted proxies have written it.
    """

    def __init__(self, trusted_proxies: Sequence[IpNetwork] = (), header: AddressHeader = "X-Forwarded-For") -> None:
        self._trusted = tuple(trusted_proxies)
        self._header = header
        self._hops_of = _forwarded_hops if header == "Forwarded" else _listed_hops

    def note(self, request: web.Request) -> None:
        """Leave the address of its client on the request; none if it came through the unix socket."""
        transport = request.transport
        name = None if transport is None else transport.get_extra_info("peername")
        if isinstance(name, tuple):  # of a unix socket it is a text
            values = request.headers.getall(self._header, ()) if self._trusted else ()
            request[CLIENT] = self.client_of(name[0], values) if values else _address_of(name[0])

    def client_of(self, peer: str, values: Sequence[str]) -> ClientAddress:
        """Return the client's address, for a peer that sent the header with these values.

        It is the last one that is known for sure: the peer's own, unless that is a trusted proxy, or else the one that
        the proxy tells, and so on. What is no address ends the search.
        """
        found = _address_of(peer)
        if not self._trusted or not values or not self._is_trusted(found):
            return found
        for told in self._hops_of(values):
            if told is None:
                return found
            found = told
            if not self._is_trusted(found):
                return found
        return found

    def _is_trusted(self, address: ClientAddress) -> bool:
        return any(address.ip in network for network in self._trusted)


@lru_cache(maxsize=1024)
def _address_of(text: str) -> ClientAddress:
    """Return the address that a text is; the same few are told again and again."""
    return ClientAddress(ip_address(text))


def _listed_hops(values: Sequence[str]) -> Iterator[ClientAddress | None]:
    """Go through the addresses of X-Forwarded-For from the last to the first; None stands for what is none."""
    rest = ",".join(values)
    for _ in range(_HOPS_MAX):
        rest, comma, last = rest.rpartition(",")
        yield _address_in(last.strip(" \t"))
        if not comma:
            return


def _forwarded_hops(values: Sequence[str]) -> Iterator[ClientAddress | None]:
    """Go through the addresses of Forwarded from the last to the first; None stands for what is none."""
    rest: str | None = ",".join(values)
    for _ in range(_HOPS_MAX):
        if rest is None:
            return
        rest, element = _last_element(rest)
        told = [token or re.sub(r"\\(.)", r"\1", quoted) for name, token, quoted in element if name.lower() == "for"]
        yield _address_in(told[0]) if len(told) == 1 else None


def _last_element(text: str) -> tuple[str | None, list[tuple[str, str, str]]]:
    """Return what stands before the last element, None for nothing, and the pairs of that; none if it is no element.

    It is the shortest end of the text that is one, as only that was written by the proxy that is asked: read from the
    front, a quotation that a stranger has left open would go on in what the proxy has written.
    """
    comma = len(text)
    for _ in range(_COMMAS_MAX):
        comma = text.rfind(",", 0, comma)
        if _ELEMENT.fullmatch(text, comma + 1):
            return text[:comma] if comma >= 0 else None, _PAIRS.findall(text, comma + 1)
        if comma < 0:
            break
    return None, []


def _address_in(node: str) -> ClientAddress | None:
    """Return the address that a proxy has written down; None when it says that it does not know, or something else."""
    match = _NODE.fullmatch(node)
    try:
        return _address_of(match["bracketed"] or match["ipv4"] or match["ipv6"]) if match else None
    except ValueError:
        return None
