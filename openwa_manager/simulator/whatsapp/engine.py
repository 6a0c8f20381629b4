"""The baileys engine of one session over an imaginary WhatsApp: pairs, opens, loses and regains its link."""

import asyncio
import os
from base64 import b64encode
from dataclasses import dataclass
from typing import Protocol

from openwa_manager.simulator.settings import Vices
from openwa_manager.simulator.whatsapp.credentials import Account, AuthDirectory
from openwa_manager.simulator.whatsapp.png import draw_png
from openwa_manager.simulator.whatsapp.qrcode import encode_qr

#: What baileys calls the ways a connection ends.
LOGGED_OUT, BANNED, TIMED_OUT, REPLACED, RESTART_REQUIRED = 401, 403, 408, 440, 515

QR_COUNT = 6
QR_FIRST_S, QR_NEXT_S = 60.0, 20.0
RECONNECT_MAX_S = 60.0

TERMINAL_ERRORS = {
    BANNED: "Account rejected by WhatsApp (403) — the number is likely banned or blocked; reconnecting will not help",
    REPLACED: (
        "Connection replaced by another instance (440) — stop the other instance, then start this session again"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A QR code to scan."""

    png: bytes

    @property
    def data_url(self) -> str:
        """Return the image as browsers take it."""
        return "data:image/png;base64," + b64encode(self.png).decode()


class EngineListener(Protocol):
    """Whoever owns engines and wants to know what happens to them."""

    def status_changed(self, session_id: str, status: str) -> None:
        """Take the new status of the engine."""

    def code_shown(self, session_id: str, code: Code) -> None:
        """Take a new QR code."""

    def became_ready(self, session_id: str, account: Account) -> None:
        """Take the account, on every opening of the link."""

    def logged_out(self, session_id: str) -> None:
        """Learn that the phone unlinked this device."""

    def failed(self, session_id: str, error: str) -> None:
        """Learn that the engine gave up; it is over."""


class Engine:
    """One session's connection to WhatsApp, kept up by `run()`."""

    def __init__(self, session_id: str, auth: AuthDirectory, listener: EngineListener, vices: Vices) -> None:
        self._session_id = session_id
        self._auth = auth
        self._listener = listener
        self._vices = vices
        self._closings: asyncio.Queue[int] = asyncio.Queue()
        self.relogin_delay_s = 5.0
        self.status = "initializing"
        self.code: Code | None = None
        self.account: Account | None = None
        self.connection_count = 0

    @property
    def is_ready(self) -> bool:
        """Tell whether messages can be sent."""
        return self.status == "ready"

    def scan(self) -> bool:
        """Let the phone scan the code; False when there is none to scan."""
        if self.status != "qr_ready":
            return False
        self._auth.link()
        self._closings.put_nowait(RESTART_REQUIRED)
        return True

    def close(self, code: int) -> None:
        """Let WhatsApp end the connection with one of baileys' codes."""
        self._closings.put_nowait(code)

    async def run(self) -> None:
        """Connect, and connect again after every loss, until WhatsApp forbids it."""
        self._auth.prepare()
        attempt = 0
        while True:
            code = await self._connect()
            if self.account is not None or code == RESTART_REQUIRED:
                attempt = 0
            self.account = None
            if code in TERMINAL_ERRORS:
                self.status = "failed"
                self._listener.failed(self._session_id, TERMINAL_ERRORS[code])
                return
            if code == LOGGED_OUT:
                self._auth.wipe()
                self.status = "disconnected"
                self._listener.logged_out(self._session_id)
                await asyncio.sleep(self.relogin_delay_s)
                self._set_status("initializing")
                continue
            attempt += 1
            self._set_status("initializing")
            if code != RESTART_REQUIRED:
                await asyncio.sleep(self._backoff_s(attempt))

    def _backoff_s(self, attempt: int) -> float:
        """Return upstream's pause before reconnecting: doubling up to a minute, plus jitter up to one first step."""
        first_s = self._vices.reconnect_s
        jitter = int.from_bytes(os.urandom(1), "big") / 255
        return min(RECONNECT_MAX_S, first_s * 2.0 ** min(attempt - 1, 16)) + first_s * jitter

    async def _connect(self) -> int:
        """Keep one connection until it closes, and return the code it closed with."""
        self.connection_count += 1
        while not self._closings.empty():
            self._closings.get_nowait()
        account = self._auth.read_account()
        if account is None:
            return await self._pair()
        closed = await self._closed_within(self._vices.open_s)
        if closed is not None:
            return closed
        self.account = account
        self.code = None
        self.status = "ready"
        self._listener.became_ready(self._session_id, account)
        return await self._closings.get()

    async def _pair(self) -> int:
        """Show code after code until one is scanned or all are used up."""
        closed = await self._closed_within(self._vices.qr_delay_s)
        phone: asyncio.TimerHandle | None = None
        try:
            for number in range(QR_COUNT):
                if closed is not None:
                    return closed
                self._show_code()
                if number == 0 and self._vices.auto_scan_s is not None:
                    phone = asyncio.get_running_loop().call_later(self._vices.auto_scan_s, self.scan)
                closed = await self._closed_within(self._vices.qr_rotate_s or (QR_NEXT_S if number else QR_FIRST_S))
            return TIMED_OUT if closed is None else closed
        finally:
            if phone is not None:
                phone.cancel()

    async def _closed_within(self, seconds: float) -> int | None:
        try:
            async with asyncio.timeout(seconds):
                return await self._closings.get()
        except TimeoutError:
            return None

    def _show_code(self) -> None:
        keys = ",".join(b64encode(os.urandom(32)).decode() for _ in range(3))
        self.code = Code(png=draw_png(encode_qr(f"2@{b64encode(os.urandom(60)).decode()},{keys}".encode())))
        self._set_status("qr_ready")
        self._listener.code_shown(self._session_id, self.code)

    def _set_status(self, status: str) -> None:
        """Report a status only when it is another one; a new code repeats none."""
        if status != self.status:
            self.status = status
            self._listener.status_changed(self._session_id, status)
