"""How an engine is reached: through its socket, or its port, and never before whoever listens is proven to be it."""

import asyncio
import socket
import struct
import sys
from typing import TYPE_CHECKING

import aiohttp

from openwa_manager.domain.ports import ListenerProof
from openwa_manager.domain.session.session import Identity, Launch

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.tracing import Trace

#: `struct ucred` is pid, uid, gid (unix(7)).
_UCRED = struct.Struct("iII")
#: sys/un.h of macOS.
_SOL_LOCAL, _LOCAL_PEERPID = 0, 2


class StrangerError(aiohttp.ClientConnectionError):
    """Somebody else listens where the engine should; he was told nothing."""


def base_url(launch: Launch) -> str:
    """Return what the address of everything at this launch's engine begins with."""
    return "http://localhost" if launch.socket is not None else f"http://127.0.0.1:{launch.port}"


def place_of(launch: Launch) -> str:
    """Return where this launch's engine listens, in words."""
    return f"the socket {launch.socket}" if launch.socket is not None else f"port {launch.port}"


def connector_to(launch: Launch, proof: ListenerProof, *, keep_alive_s: float | None = None) -> aiohttp.BaseConnector:
    """Return what connects to this launch's engine and to nobody else.

    An idle connection is kept for `keep_alive_s`; None means that none outlives its call.
    """
    kind = _SocketConnector if launch.socket is not None else _PortConnector
    return kind(launch, proof, keep_alive_s)


async def connect_to_socket(launch: Launch, proof: ListenerProof) -> socket.socket:
    """Return a connection to the socket of this launch's engine, and to nobody else; it does not block.

    Raises:
        StrangerError: somebody else listens there; he was told nothing.
        OSError: nobody listens, or the connection broke.
    """
    line = socket.socket(socket.AF_UNIX)
    try:
        line.setblocking(False)
        try:
            line.connect(str(launch.socket))  # which takes no time, unless too many wait there
        except (BlockingIOError, InterruptedError):
            await asyncio.get_running_loop().sock_connect(line, str(launch.socket))
        _prove_listener(line, launch, proof)
    except BaseException:
        line.close()
        raise
    return line


def _prove_listener(connected: socket.socket | None, launch: Launch, proof: ListenerProof) -> None:
    # macOS tells who listened only while he has not closed his side: else this raises OSError (ENOTCONN).
    if connected is None or not proof.has(_listener_of(connected), _engine_of(launch)):
        raise StrangerError(f"{place_of(launch)} is answered by a stranger")


class _SocketConnector(aiohttp.UnixConnector):
    """Connects to the socket in the launch's own directory; who listens must be of the engine's tree."""

    def __init__(self, launch: Launch, proof: ListenerProof, keep_alive_s: float | None) -> None:
        is_kept = keep_alive_s is not None
        super().__init__(
            str(launch.socket), force_close=not is_kept, keepalive_timeout=keep_alive_s if is_kept else None, limit=0
        )
        self._launch = launch
        self._proof = proof

    async def _create_connection(
        self, req: "ClientRequest", traces: "list[Trace]", timeout: aiohttp.ClientTimeout
    ) -> "ResponseHandler":
        connection = await super()._create_connection(req, traces, timeout)
        connected = connection.transport.get_extra_info("socket") if connection.transport else None
        try:
            _prove_listener(connected, self._launch, self._proof)
        except BaseException:
            connection.close()
            raise
        return connection


class _PortConnector(aiohttp.TCPConnector):
    """Connects to the launch's port; who listens there must be the engine before and after, so that none slips in."""

    def __init__(self, launch: Launch, proof: ListenerProof, keep_alive_s: float | None) -> None:
        is_kept = keep_alive_s is not None
        super().__init__(force_close=not is_kept, keepalive_timeout=keep_alive_s if is_kept else None, limit=0)
        self._launch = launch
        self._proof = proof

    async def _create_connection(
        self, req: "ClientRequest", traces: "list[Trace]", timeout: aiohttp.ClientTimeout
    ) -> "ResponseHandler":
        if await self._is_ours() is False:
            raise self._stranger()
        connection = await super()._create_connection(req, traces, timeout)
        is_ours: bool | None = False
        try:
            is_ours = await self._is_ours()
        finally:
            if not is_ours:
                connection.close()
        if not is_ours:
            raise self._stranger()
        return connection

    async def _is_ours(self) -> bool | None:
        return await self._proof.owns(self._launch.port, _engine_of(self._launch))

    def _stranger(self) -> StrangerError:
        return StrangerError(f"{place_of(self._launch)} is answered by a stranger, another process than the engine")


def _engine_of(launch: Launch) -> Identity:
    if launch.identity is None:
        raise StrangerError(f"nobody can be proven to be the engine at {place_of(launch)}: its process is unknown")
    return launch.identity


def _listener_of(connected: socket.socket) -> int:
    """Return the pid of the process that listened when we connected through a unix socket; 0 when it is unknown."""
    if sys.platform != "linux":
        return connected.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID)  # pragma: no cover (macOS)
    pid: int = _UCRED.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))[0]
    return pid
