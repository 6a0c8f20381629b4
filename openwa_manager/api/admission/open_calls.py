"""Ends the calls of a key that is revoked while they are open: streams at once, the others when they take long."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from openwa_manager.api.errors import UnauthenticatedError
from openwa_manager.api.request_keys import BEGUN_ANSWER, LOGIN
from openwa_manager.domain.access.callers import KeyId
from openwa_manager.domain.access.keys import KeyRevoked, KnownKey

#: How long a call may go on that has not begun to answer: so that what is short and changes something comes to its end.
_GRACE_S = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class _OpenCall:
    request: web.Request
    task: asyncio.Task[object] | None
    limit: asyncio.Timeout
    secret_sha256: bytes


class OpenCalls:
    """Knows the calls of each key that are not answered yet.

    Whoever revokes the key that he calls with is told so: his call goes on. One whose body is still being sent has not
    begun: nobody keeps a right by holding the end of a body back.
    """

    def __init__(self) -> None:
        self._calls: dict[KeyId, set[_OpenCall]] = {}

    async def keep(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on, until its key is revoked.

        Raises:
            UnauthenticatedError: that happened meanwhile.
        """
        login = request.get(LOGIN)
        if not isinstance(login, KnownKey) or login.caller.key_id is None:
            return await handler(request)
        limit = asyncio.timeout(None)
        call = _OpenCall(request, asyncio.current_task(), limit, login.secret_sha256)
        try:
            async with limit:
                with self._listed(login.caller.key_id, call):
                    return await handler(request)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise UnauthenticatedError("the key was revoked") from error

    def end(self, revoked: KeyRevoked) -> None:
        """End the calls of a key, or those with one text of it; but not the one that asks for this."""
        now_s = asyncio.get_running_loop().time()
        for call in self._calls.get(revoked.key_id, ()):
            is_own = revoked.asked_by is not None and call.task is revoked.asked_by
            is_meant = revoked.secret_sha256 in (None, call.secret_sha256) and not is_own
            if is_meant and not call.limit.expired():
                has_grace = BEGUN_ANSWER not in call.request and call.request.content.is_eof()
                call.limit.reschedule(now_s + _GRACE_S if has_grace else now_s)

    @contextmanager
    def _listed(self, key_id: KeyId, call: _OpenCall) -> Iterator[None]:
        calls = self._calls.setdefault(key_id, set())
        calls.add(call)
        try:
            yield
        finally:
            calls.discard(call)
            if not calls and self._calls.get(key_id) is calls:
                del self._calls[key_id]
