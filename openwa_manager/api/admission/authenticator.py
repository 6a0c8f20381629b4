"""Finds out who calls: by the API key that was given, or by the user behind the unix socket."""

import hashlib
import hmac

from aiohttp import web
from aiohttp.typedefs import Handler

from openwa_manager.api.admission.connection import is_own_user, unix_socket
from openwa_manager.api.errors import UnauthenticatedError

#: Answered without a key, and without any detail.
OPEN_PATHS = frozenset({"/livez", "/readyz", "/api/health", "/api/health/live", "/api/health/ready"})


class Authenticator:
    """Lets in whoever holds the admin's key or owns the daemon."""

    def __init__(self, admin_key: str) -> None:
        self._admin_hash = _hash(admin_key)

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on.

        Raises:
            UnauthenticatedError: no key, or not a right one.
        """
        peer = unix_socket(request)
        is_open = request.path in OPEN_PATHS and not request.query_string  # detail is for those with a key
        if not is_open and not (peer is not None and is_own_user(peer)):
            self._require_key(request)
        return await handler(request)

    def _require_key(self, request: web.Request) -> None:
        # Both sides are hashed first, so that the time it takes tells neither content nor length.
        if not hmac.compare_digest(_hash(_given_key(request)), self._admin_hash):
            raise UnauthenticatedError("a valid API key is needed: X-API-Key, or Authorization: Bearer")


def _given_key(request: web.Request) -> str:
    key = request.headers.get("X-API-Key")
    if key is not None:
        return key
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
