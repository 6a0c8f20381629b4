"""Finds out who calls: by the API key that was given, or by the user behind the unix socket."""

from collections.abc import Callable

from aiohttp import web

from openwa_manager.api.admission.peers.connection import is_direct
from openwa_manager.api.admission.peers.socket_peers import Peer, SocketPeers
from openwa_manager.api.errors import ForbiddenError
from openwa_manager.api.request_keys import CALLER, CLIENT, LOGIN
from openwa_manager.domain.access.addresses import ClientAddress
from openwa_manager.domain.access.callers import UNIX_SOCKET, Caller
from openwa_manager.domain.access.keys import KnownKey, RefusedKey

#: Tells whose key this is, given where it comes from as far as anybody knows.
Identify = Callable[[str, ClientAddress | None], KnownKey | RefusedKey]


class Authenticator:
    """Knows who holds which key, and the daemon's own user behind the unix socket."""

    def __init__(self, identify: Identify, peers: SocketPeers) -> None:
        self._identify = identify
        self._peers = peers

    def also_taking(self, text: str, key: str) -> "Authenticator":
        """Return one who takes a text of any form for this key, and else knows whom this one knows."""
        return Authenticator(lambda given, client: self._identify(key if given == text else given, client), self._peers)

    def known_peer(self, request: web.Request) -> Peer | None:
        """Return who is at the other end; None when it takes a `look`, as when a unix connection is new."""
        return self._peers.known(request)

    async def look(self, request: web.Request) -> Peer:
        """Find out which process is at the other end of a unix socket."""
        return await self._peers.peer_of(request)

    def admit(self, request: web.Request, peer: Peer) -> Caller | None:
        """Return who asks from this peer, None if nobody known does, and leave it on the request.

        Raises:
            ForbiddenError: an engine asks through the unix socket.
        """
        if peer is Peer.ENGINE:
            raise ForbiddenError("engines, and what they start, do not use this socket")
        caller = UNIX_SOCKET if peer is Peer.OWN and is_direct(request) else self._holder(request)
        if caller is not None:
            request[CALLER] = caller
        return caller

    def _holder(self, request: web.Request) -> Caller | None:
        given = _given_key(request)
        if not given:
            return None
        login = request[LOGIN] = self._identify(given, request.get(CLIENT))
        return login.caller if isinstance(login, KnownKey) else None


def _given_key(request: web.Request) -> str:
    keys = request.headers.getall("X-API-Key", ())
    if keys:
        return (
            keys[0] if len(keys) == 1 or len(set(keys)) == 1 else ""
        )  # proxies do not agree on which of several counts
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""
