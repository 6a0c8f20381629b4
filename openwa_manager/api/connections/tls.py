"""Holds the TLS certificate and its key, and reads them again when somebody has renewed them."""

import asyncio
import ssl
from pathlib import Path

import structlog

from openwa_manager.domain.errors import ConfigError
from openwa_manager.host.own_files import require_own

_log = structlog.get_logger()


class TlsFiles:
    """The files of `tls_cert` and `tls_key`, as they were when they were last found good."""

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert = cert
        self._key = key
        self._context: ssl.SSLContext | None = None
        self._is_asked = asyncio.Event()

    def load(self) -> None:
        """Read the files; connections made from now on use what is in them.

        Raises:
            ConfigError: they do not fit together, or are not ours alone. What was read before stays.
        """
        self._context = _read(self._cert, self._key)

    def context(self) -> ssl.SSLContext:
        """Return what the next connection agrees on keys with."""
        if self._context is None:  # pragma: no cover (the listener loads them before it opens)
            raise RuntimeError("the TLS files were not read")
        return self._context

    def ask(self) -> None:
        """Have the files read again; a signal handler may call this."""
        self._is_asked.set()

    async def run(self) -> None:
        """Read the files whenever somebody asks for it, until cancelled; what is not good is logged and not used."""
        while True:
            await self._is_asked.wait()
            self._is_asked.clear()
            try:
                await asyncio.to_thread(self.load)
            except ConfigError as error:
                _log.error("tls_not_reloaded", error=str(error), until_then="the certificate read before is used")
            else:
                _log.info("tls_reloaded", tls_cert=str(self._cert))


def _read(cert: Path, key: Path) -> ssl.SSLContext:
    for path in (cert, key):
        require_own(path, may_be_link=True)  # certbot's are links
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])  # a client that wants to speak another protocol here is told so
    try:
        context.load_cert_chain(cert, key, password="")  # none: else OpenSSL would ask the terminal
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls_cert and tls_key cannot be used together: {error}") from error
    return context
