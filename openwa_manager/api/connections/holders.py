"""Notes on a connection whose request it serves: one of a known caller does not make room for strangers."""

from aiohttp import web

from openwa_manager.api.connections.connection import Connection
from openwa_manager.domain.access.callers import Caller


def hold_for(request: web.Request, caller: Caller | None) -> None:
    """Say who has made this request; None: nobody known."""
    hold_place(request, None if caller is None else caller.key_id or caller.name)


def hold_place(request: web.Request, holder: str | None) -> None:
    """Say whose request this is; None: nobody known's, whose connection makes room first."""
    if isinstance(request.protocol, Connection):
        request.protocol.note_holder(holder)
