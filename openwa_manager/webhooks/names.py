"""Asks the system for the addresses of names that strangers choose, whose servers may take as long as they like."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

from aiohttp.abc import AbstractResolver, ResolveResult

Resolve = Callable[[str], Awaitable[Collection[str]]]


class NameService:
    """Asks the system for a name's addresses, in threads that nobody waits for at the end."""

    def __init__(self, *, within_s: float = 3.0, look_ups_max: int = 16) -> None:
        self._within_s = within_s
        self._look_ups_max = look_ups_max
        self._under_way = 0

    async def resolve(self, host: str) -> Collection[str]:
        """Return the addresses of a name.

        Raises:
            OSError: it has none, did not answer in time, or too many others are being asked for.
        """
        if self._under_way >= self._look_ups_max:
            raise OSError("too many names are being asked for")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Collection[str]] = loop.create_future()

        def settle(found: Collection[str], error: Exception | None) -> None:
            self._under_way -= 1
            if not answer.done():
                answer.set_result(found) if error is None else answer.set_exception(error)

        def look_up() -> None:
            found: Collection[str] = ()
            problem: Exception | None = None
            try:
                infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
                found = [*dict.fromkeys(str(info[4][0]) for info in infos)]  # in the system's order, each once
            except (OSError, UnicodeError) as error:
                problem = error if isinstance(error, OSError) else OSError(str(error))
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(settle, found, problem)

        try:
            threading.Thread(target=look_up, name="names", daemon=True).start()
        except RuntimeError as error:
            raise OSError(f"no thread for it: {error}") from error
        self._under_way += 1
        async with asyncio.timeout(self._within_s):
            return await answer


class NameResolver(AbstractResolver):
    """A resolver for connections that takes no thread of those that read our files, however slow an answer is."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve or NameService().resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name.

        Raises:
            OSError: it has none (of this family), or did not answer in time.
        """
        try:
            addresses = await self._resolve(host)
        except TimeoutError as error:  # aiohttp would take it for one of its own
            raise OSError(None, f"the addresses of {host} were not told in time") from error
        found = [_result(host, address, port) for address in addresses]
        fitting = [each for each in found if family in {socket.AF_UNSPEC, each["family"]}]
        if not fitting:
            raise OSError(None, f"{host} has no address")
        return fitting

    async def close(self) -> None:
        """Do nothing; aiohttp asks its resolvers to close."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)
