"""Finds out who calls: by the API key that was given, or by the user behind the unix socket."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from weakref import WeakKeyDictionary

from aiohttp import web
from aiohttp.typedefs import Handler

from openwa_manager.api.admission.connection import is_direct, is_own_user, peer_pid, unix_socket
from openwa_manager.api.errors import ForbiddenError
from openwa_manager.api.request_keys import CALLER
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.access.roles import Role

_ADMIN_KEY = Caller(name="admin.key", role=Role.ADMIN)
_UNIX_SOCKET = Caller(name="unix socket", role=Role.ADMIN)


class Authenticator:
    """Knows the holder of the admin's key, and the daemon's own user behind the unix socket.

    `is_engine` tells of a process by its number whether it is an engine's: engines run as our user too.
    """

    def __init__(self, admin_key: str, is_engine: Callable[[int], bool]) -> None:
        self._admin_hash = _hash(admin_key)
        self._is_engine = is_engine
        #: What was found out of who is at the other end, as long as the connection lasts.
        self._is_refused: WeakKeyDictionary[asyncio.BaseTransport, bool] = WeakKeyDictionary()

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on with its caller; without one if nobody known is asking.

        Raises:
            ForbiddenError: an engine asks through the unix socket.
        """
        if self._is_from_engine(request):
            raise ForbiddenError("engines, and what they start, do not use this socket")
        caller = self._caller_of(request)
        if caller is not None:
            request[CALLER] = caller
        return await handler(request)

    def _caller_of(self, request: web.Request) -> Caller | None:
        peer = unix_socket(request)
        if peer is not None and is_own_user(peer) and is_direct(request):
            return _UNIX_SOCKET
        # Both sides are hashed first, so that the time it takes tells neither content nor length.
        is_admin = hmac.compare_digest(_hash(_given_key(request)), self._admin_hash)
        return _ADMIN_KEY if is_admin else None

    def _is_from_engine(self, request: web.Request) -> bool:
        peer, transport = unix_socket(request), request.transport
        if peer is None or transport is None:
            return False
        if transport not in self._is_refused:
            pid = peer_pid(peer)
            self._is_refused[transport] = pid is None or (pid != 0 and self._is_engine(pid))
        return self._is_refused[transport]


def _given_key(request: web.Request) -> str:
    key = request.headers.get("X-API-Key")
    if key is not None:
        return key
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
