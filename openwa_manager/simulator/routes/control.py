"""`/_sim`: how a test or a demo plays WhatsApp, the phone and the failing machine."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from openwa_manager.simulator.http.errors import refusal
from openwa_manager.simulator.http.wire import Json, Response
from openwa_manager.simulator.routes.pipeline import Route, RouteCall
from openwa_manager.simulator.settings import Vices
from openwa_manager.simulator.state.messages import Messages
from openwa_manager.simulator.state.sessions import Sessions
from openwa_manager.simulator.state.storage import SessionRow
from openwa_manager.simulator.whatsapp.engine import Engine

#: The answer is sent before the process does what was asked.
ACTION_DELAY_S = 0.02

#: A Chromium that outlives its parent: forks so that its parent is init, leaves the session, and ignores SIGTERM.
BROWSER = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    os._exit(0)
os.setsid()
time.sleep(900)
"""


class _CrashError(Exception):
    """The uncaught exception that `crash` throws."""


class Control:
    """Handlers of the control routes."""

    def __init__(
        self, home: Path, sessions: Sessions, messages: Messages, vices: Vices, exit_now: Callable[[int], None]
    ) -> None:
        self._home = home
        self._sessions = sessions
        self._messages = messages
        self._vices = vices
        self._exit_now = exit_now
        self._leaked: list[bytearray] = []

    def routes(self) -> list[Route]:
        """Return the route table; all without a key, and a POST where something is done."""
        verbs = {
            "scan": self._scan,
            "close": self._close,
            "receive": self._receive,
            "flood": self._flood,
            "restrict": self._restrict,
            "fail": self._fail,
            "exit": self._exit,
            "crash": self._crash,
            "hang": self._hang,
            "leak": self._leak,
            "spawn-browser": self._spawn_browser,
            "torn-qr": self._torn_qr,
        }
        return [
            Route(method="GET", path="/_sim/books", handler=self._read_books, is_open=True),
            *(Route(method="POST", path=f"/_sim/{verb}", handler=each, is_open=True) for verb, each in verbs.items()),
        ]

    async def _scan(self, call: RouteCall) -> Response:
        return _done(self._engine(call)[1].scan())

    async def _close(self, call: RouteCall) -> Response:
        self._engine(call)[1].close(_integer(call, "code", 428))
        return _done()

    async def _receive(self, call: RouteCall) -> Response:
        query = call.request.query
        row, _ = self._engine(call)
        self._messages.receive(row.id, query.get("from", "628111222333"), query.get("text", "hi"))
        return _done()

    async def _flood(self, call: RouteCall) -> Response:
        row, _ = self._engine(call)
        for number in range(_integer(call, "n", 100)):
            self._messages.receive(row.id, "628111222333", f"flood {number}")
        return _done()

    async def _restrict(self, call: RouteCall) -> Response:
        row, _ = self._engine(call)
        if call.request.query.get("active") == "0":
            self._sessions.restrictions.lift(row.id)
        else:
            self._sessions.restrictions.impose(row.id)
        return _done()

    async def _fail(self, call: RouteCall) -> Response:
        fault = self._messages.fault
        fault.mode = call.request.query.get("mode", "500")
        fault.left = _integer(call, "n", 1)
        return Response(status=200, body={"mode": fault.mode, "left": fault.left})

    async def _read_books(self, call: RouteCall) -> Response:
        """Answer what WhatsApp got, without the first `after` messages, at most `limit`."""
        limit = _integer(call, "limit", 0) or None
        books = await asyncio.to_thread(self._messages.books.read, _integer(call, "after", 0), limit)
        return Response(status=200, body=books, headers={"Content-Type": "application/json; charset=utf-8"})

    async def _exit(self, call: RouteCall) -> Response:
        asyncio.get_running_loop().call_later(ACTION_DELAY_S, self._exit_now, _integer(call, "code", 1))
        return _done()

    async def _crash(self, call: RouteCall) -> Response:
        del call
        asyncio.get_running_loop().call_later(ACTION_DELAY_S, _crash)
        return _done()

    async def _hang(self, call: RouteCall) -> Response:
        seconds = float(call.request.query.get("s", "10"))
        asyncio.get_running_loop().call_later(ACTION_DELAY_S, time.sleep, seconds)
        return _done()

    async def _leak(self, call: RouteCall) -> Response:
        self._leaked.append(bytearray(b"\x01") * (_integer(call, "mb", 10) << 20))
        return _done()

    async def _spawn_browser(self, call: RouteCall) -> Response:
        row = self._row(call)
        profile = self._home / "data" / "sessions" / f"session-{row.name}"
        profile.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-I", "-S", "-c", BROWSER, f"--user-data-dir={profile}", f"--openwa-session={row.name}"]
        pid = os.posix_spawn(sys.executable, argv, os.environ)
        await asyncio.to_thread(os.waitpid, pid, 0)
        return _done()

    async def _torn_qr(self, call: RouteCall) -> Response:
        """Leave half an image where a whole one is expected, as a writer that dies in the middle does."""
        engine = self._engine(call)[1]
        if engine.code is None or not self._vices.writes_qr_file:
            raise refusal(409, "There is no code to tear")
        (self._home / "qr.png").write_bytes(engine.code.png[: len(engine.code.png) // 2])
        return _done()

    def _row(self, call: RouteCall) -> SessionRow:
        row = self._sessions.named(call.request.query.get("name"))
        if row is None:
            raise refusal(404, "There is no such session")
        return row

    def _engine(self, call: RouteCall) -> tuple[SessionRow, Engine]:
        row = self._row(call)
        engine = self._sessions.engine(row.id)
        if engine is None:
            raise refusal(404, "There is no such engine")
        return row, engine


def _crash() -> None:
    raise _CrashError("simulated uncaught crash")


def _integer(call: RouteCall, name: str, default: int) -> int:
    text = call.request.query.get(name, "")
    return int(text) if text.isdecimal() else default


def _done(ok: Json = True) -> Response:
    return Response(status=200, body={"ok": ok})
