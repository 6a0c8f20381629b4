"""Finds out which process uses the unix socket: the admin's command, an engine, or a proxy for somebody else."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from enum import Enum
from weakref import WeakKeyDictionary

from aiohttp import web

from openwa_manager.api.admission.peers.connection import is_own_user, peer_pid, unix_socket


class Peer(Enum):
    """Who is at the other end of a connection."""

    #: It came over TCP, or is closed already.
    REMOTE = 0
    #: A process of this host that runs as our user or as root, for itself as far as can be told.
    OWN = 1
    #: A process of this host that may ask for somebody else: another user's, or one that itself takes connections.
    FOREIGN = 2
    #: An engine, or what one has started; or one that has ended since, so that nobody knows.
    ENGINE = 3


class SocketPeers:
    """Looks at the process behind each connection of the unix socket, once for each connection.

    `is_engine` and `is_server` tell of a process by its number whether it is an engine's, and whether it takes
    connections by TCP: engines run as our user too, and so may a proxy that hands on what strangers ask.
    """

    def __init__(self, is_engine: Callable[[int], bool], is_server: Callable[[int], Awaitable[bool]]) -> None:
        self._is_engine = is_engine
        self._is_server = is_server
        self._known: WeakKeyDictionary[asyncio.BaseTransport, Peer] = WeakKeyDictionary()

    def known(self, request: web.Request) -> Peer | None:
        """Return who is at the other end; None when nobody has looked yet."""
        transport = request.transport
        if transport is None or unix_socket(request) is None:
            return Peer.REMOTE
        return self._known.get(transport)

    async def peer_of(self, request: web.Request) -> Peer:
        """Return who is at the other end."""
        socket, transport = unix_socket(request), request.transport
        if socket is None or transport is None:
            return Peer.REMOTE
        known = self._known.get(transport)
        if known is None:
            pid, is_own = peer_pid(socket), is_own_user(socket)
            known = self._known[transport] = await self._look(pid, is_own=is_own)
        return known

    async def _look(self, pid: int | None, *, is_own: bool) -> Peer:
        if pid is None:
            return Peer.ENGINE
        if pid == 0:  # of another pid namespace, where an engine cannot be: all that is known is its user
            return Peer.OWN if is_own else Peer.FOREIGN
        if self._is_engine(pid):
            return Peer.ENGINE
        if not is_own or (pid != os.getpid() and await self._is_server(pid)):
            return Peer.FOREIGN
        return Peer.OWN
