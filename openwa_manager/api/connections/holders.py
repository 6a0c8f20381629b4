"""Notes on a connection whose request it serves: one of a known caller does not make room for strangers."""

from aiohttp import web
from aiohttp.typedefs import Handler

from openwa_manager.api.connections.connection import Connection
from openwa_manager.api.request_keys import CALLER


@web.middleware
async def note_holder(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Pass the request on; behind the authenticator, who knows the caller."""
    caller = request.get(CALLER)
    hold_place(request, None if caller is None else caller.key_id or caller.name)
    return await handler(request)


def hold_place(request: web.Request, holder: str | None) -> None:
    """Say whose request this is; None: nobody known's, whose connection makes room first."""
    if isinstance(request.protocol, Connection):
        request.protocol.note_holder(holder)
