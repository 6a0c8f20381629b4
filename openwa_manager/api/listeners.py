"""Opens the listeners: the intake and the control plane, on TCP and on a unix socket."""

import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import field
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

from aiohttp import web

from openwa_manager.api.connections.connection import Terms
from openwa_manager.api.connections.limits import ConnectionLimits, Timeouts
from openwa_manager.api.connections.places import Places
from openwa_manager.api.connections.site import ListenerSite
from openwa_manager.api.connections.tls import TlsFiles
from openwa_manager.domain.access.addresses import ClientAddress
from openwa_manager.domain.errors import ConfigError, UnavailableError
from openwa_manager.domain.values import dataclass

#: How long requests under way may still take once we stop.
_SHUTDOWN_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Who connects to the control plane, as far as the settings tell.

    From a network in `shared` (None: from all) come connections of many who do not belong together, as from a proxy:
    their number is not limited by address. `has_proxy` says that there is one.
    """

    shared: tuple[IPv4Network | IPv6Network, ...] | None = ()
    has_proxy: bool = False

    def group_of(self, peer: str) -> str | None:
        """Return the name under which limits count a peer's address; None when under none.

        Everybody behind a tunnel has a loopback address.
        """
        try:
            ip = ip_address(peer.partition("%")[0])
        except ValueError:
            return None
        if self.shared is None or ip.is_loopback or any(ip in network for network in self.shared):
            return None
        return ClientAddress(ip).group


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddresses:
    """Host and port of both TCP listeners, the path of the socket, and who connects there.

    In the place of a host and a port may be a socket that is bound to them. `tls` is what makes the control plane's
    TCP listener TLS; None for plain HTTP.
    """

    control: tuple[str, int] | socket.socket
    intake: tuple[str, int] | socket.socket
    socket: Path
    tls: TlsFiles | None = None
    peers: Peers = field(default_factory=Peers)

    @property
    def address(self) -> str:
        """Return the host and the port of the HTTP API."""
        place = self.control.getsockname() if isinstance(self.control, socket.socket) else self.control
        host, port = place[:2]
        return f"{f'[{host}]' if ':' in host else host}:{port}"


def take_port(host: str) -> socket.socket:
    """Return a socket that has a port of this host which the system chose; it does not listen yet.

    Raises:
        UnavailableError: the host is not ours, or has no port left.
    """
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, place = found[0]
        taken = socket.socket(family, kind, protocol)
        try:
            taken.bind(place)
        except OSError:
            taken.close()
            raise
    except OSError as error:
        cure = "choose another by --listen"
        raise UnavailableError(f"listen: no port of {host} can be taken ({error.strerror}): {cure}") from error
    return taken


async def listen(
    listen_addresses: ListenAddresses,
    control: web.Application,
    intake: web.Application,
    stack: AsyncExitStack,
    limits: ConnectionLimits,
) -> None:
    """Open the intake, the unix socket and the HTTP API; leaving the stack closes them, requests under way first.

    Callers on the unix socket are still let in when those on TCP have used up theirs.

    Raises:
        UnavailableError: an address is taken or not ours.
        ConfigError: a port is not for ordinary users, or the TLS files cannot be used.
    """
    tls, peers = listen_addresses.tls, listen_addresses.peers
    if tls is not None:
        tls.load()
    timeouts = Timeouts.behind_proxy() if peers.has_proxy else Timeouts()
    terms = partial(_terms, timeouts=timeouts, group_of=peers.group_of, per_group=limits.strangers_per_address)
    intake_runner = await _runner(intake, stack)
    control_runner = await _runner(control, stack)
    listen_addresses.socket.unlink(missing_ok=True)
    await _open(ListenerSite(intake_runner, listen_addresses.intake, terms(limits.intake)), "intake_listen")
    await _open(ListenerSite(control_runner, listen_addresses.socket, terms(limits.socket)), "home")
    context = tls.context if tls else None
    await _open(ListenerSite(control_runner, listen_addresses.control, terms(limits.control), context), "listen")


def _terms(count: int, timeouts: Timeouts, group_of: Callable[[str], str | None], per_group: int) -> Terms:
    return Terms(places=Places(count, per_group), timeouts=timeouts, group_of=group_of)


async def _open(site: web.BaseSite, setting: str) -> None:
    try:
        await site.start()
    except OSError as error:
        kind = ConfigError if isinstance(error, PermissionError) else UnavailableError
        cure = f"end what does, or choose another by --{setting.replace('_', '-')}"
        raise kind(f"{setting}: cannot listen on {site.name} ({error.strerror}): {cure}") from error


async def _runner(app: web.Application, stack: AsyncExitStack) -> web.AppRunner:
    runner = web.AppRunner(app, shutdown_timeout=_SHUTDOWN_TIMEOUT_S, handler_cancellation=True)
    stack.push_async_callback(runner.cleanup)  # also when it cannot be set up
    await runner.setup()
    return runner
