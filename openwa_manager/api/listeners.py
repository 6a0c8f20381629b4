"""Opens the listeners: the intake and the control plane, on TCP and on a unix socket."""

import logging
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from openwa_manager.api.admission.connection_limits import CappedSite, ConnectionLimits
from openwa_manager.domain.errors import ConfigError, UnavailableError

_log = logging.getLogger(__name__)

#: How long requests under way may still take once we stop.
_SHUTDOWN_TIMEOUT_S = 2.0
#: How long a connection may be idle: longer than a proxy in front of us keeps one (nginx: 60 s).
_IDLE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddresses:
    """Host and port of both TCP listeners, the path of the socket, and the files that make the control plane TLS."""

    control: tuple[str, int]
    intake: tuple[str, int]
    socket: Path
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS context of the control plane's TCP listener; None for plain HTTP.

        Raises:
            ConfigError: the two files do not fit together.
        """
        if self.tls_cert is None or self.tls_key is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.tls_cert, self.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"tls_cert and tls_key cannot be used together: {error}") from error
        return context


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
    tls = listen_addresses.tls()
    intake_runner = await _runner(intake, stack)
    control_runner = await _runner(control, stack)
    listen_addresses.socket.unlink(missing_ok=True)
    await _open(CappedSite(intake_runner, listen_addresses.intake, limits.intake))
    await _open(CappedSite(control_runner, listen_addresses.socket, limits.control_and_socket))
    await _open(CappedSite(control_runner, listen_addresses.control, limits.control, tls))


async def _open(site: web.BaseSite) -> None:
    try:
        await site.start()
    except OSError as error:
        kind = ConfigError if isinstance(error, PermissionError) else UnavailableError
        raise kind(f"cannot listen on {site.name} ({error.strerror}): end what does, or choose another") from error


async def _runner(app: web.Application, stack: AsyncExitStack) -> web.AppRunner:
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_log,
        shutdown_timeout=_SHUTDOWN_TIMEOUT_S,
        handler_cancellation=True,
        keepalive_timeout=_IDLE_S,
        auto_decompress=False,  # a body is refused that says it is compressed
    )
    stack.push_async_callback(runner.cleanup)  # also when it cannot be set up
    await runner.setup()
    return runner


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Tell whether a line of the server's log concerns us: not a caller's malformed HTTP, nor that it hung up."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (HttpProcessingError, RequestPayloadError, ConnectionError))


_log.addFilter(_is_our_fault)
