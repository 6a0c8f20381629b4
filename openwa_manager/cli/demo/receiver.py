"""A small backend for the demo: checks both signatures of every event, as yours should, and remembers what came."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self, cast

from aiohttp import web

from openwa_manager.domain import foreign_json

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

_HOST = "127.0.0.1"


class ReceivedEvent(NamedTuple):
    """One event as it arrived; `at_s` is on the `time.perf_counter` clock."""

    at_s: float
    event: Mapping[str, "Json"]
    is_genuine: bool

    @property
    def type(self) -> str:
        """Return what happened."""
        return str(self.event["type"])


class Receiver:
    """An upstream on a free port of this host; `show` sees every event as it arrives."""

    def __init__(self, secret: str, show: Callable[[ReceivedEvent], None]) -> None:
        self._secret = secret
        self._show = show
        self._arrivals: list[ReceivedEvent] = []
        self._arrived = asyncio.Condition()
        self._awaited = 0
        app = web.Application(client_max_size=4 << 20)
        app.router.add_post("/webhook", self._receive)
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> Self:
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, _HOST, 0).start()
        except BaseException:
            await self._runner.cleanup()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://{_HOST}:{self._runner.addresses[0][1]}/webhook"

    async def expect(self, event_type: str, within_s: float) -> ReceivedEvent:
        """Return the next event of this type behind those that were expected before.

        Raises:
            TimeoutError: it did not come.
        """
        async with asyncio.timeout(within_s), self._arrived:
            while True:
                for number in range(self._awaited, len(self._arrivals)):
                    if self._arrivals[number].type == event_type:
                        self._awaited = number + 1
                        return self._arrivals[number]
                await self._arrived.wait()

    @property
    def forged(self) -> list[ReceivedEvent]:
        """Return the events whose signatures were wrong."""
        return [arrival for arrival in self._arrivals if not arrival.is_genuine]

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        is_genuine = is_signed(body, request.headers, self._secret)
        arrival = ReceivedEvent(time.perf_counter(), cast("Mapping[str, Json]", foreign_json.parse(body)), is_genuine)
        self._show(arrival)
        async with self._arrived:
            self._arrivals.append(arrival)
            self._arrived.notify_all()
        return web.Response(status=204 if is_genuine else 401)


def is_signed(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
    """Tell whether both signatures of an event are right; written without our own signing code (docs/backend.md)."""
    signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    standard = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    plain = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return f"v1,{standard}" in headers.get("webhook-signature", "").split() and hmac.compare_digest(
        f"sha256={plain}", headers.get("X-OpenWA-Signature", "")
    )
