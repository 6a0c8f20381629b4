"""The process: boot, signals, and the ways to an exit status."""

import asyncio
import errno
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from openwa_manager.simulator.http.errors import HttpError
from openwa_manager.simulator.http.server import Server
from openwa_manager.simulator.http.throttle import Throttle
from openwa_manager.simulator.log import log
from openwa_manager.simulator.routes.control import Control
from openwa_manager.simulator.routes.messages import MessageRoutes
from openwa_manager.simulator.routes.pipeline import Pipeline
from openwa_manager.simulator.routes.sessions import SessionRoutes
from openwa_manager.simulator.routes.system import SystemRoutes
from openwa_manager.simulator.routes.webhooks import WebhookRoutes
from openwa_manager.simulator.settings import BadEnvironmentError, Settings, Vices, read_settings, read_vices
from openwa_manager.simulator.state.addresses import AddressGuard
from openwa_manager.simulator.state.batches import Batches
from openwa_manager.simulator.state.database import CorruptDataError, DatabaseLostError
from openwa_manager.simulator.state.keyed_sends import KeyedSends
from openwa_manager.simulator.state.keys import Keys
from openwa_manager.simulator.state.messages import Messages, Records
from openwa_manager.simulator.state.rows import MessageRows
from openwa_manager.simulator.state.sessions import Sessions
from openwa_manager.simulator.state.storage import Storage
from openwa_manager.simulator.state.webhooks import Dispatcher
from openwa_manager.simulator.whatsapp.books import Books

#: libuv closes descriptors up to this one to its children, and leaks the others: so do we.
LAST_PRIVATE_DESCRIPTOR = 15
#: How long OpenWA takes to notice that its port is taken: full boot first (2.4 s there).
PORT_TAKEN_DELAY_S = 0.2
RESTART_DELAY_S = 0.5
AUTO_START_GAP_S = 2.0
#: How often an engine of a mock looks whether that is still there.
PARENT_LOOK_S = 0.05


class Process:
    """One OpenWA process from listening to exit."""

    def __init__(self, home: Path, settings: Settings, vices: Vices, storage: Storage) -> None:
        """Open the files that grow with the messages. Raises: OSError."""
        data = home / "data"
        self._home = home
        books = Books(settings.books or data / "books.jsonl", home.name)
        self._records = Records(books=books, rows=MessageRows(data / "messages.jsonl"))
        self._keyed: KeyedSends | None = None
        if settings.release.keeps_idempotency_keys:
            self._keyed = KeyedSends(data / "sends.jsonl", storage.openwa, vices.replay)
        self._settings = settings
        self._vices = vices
        self._storage = storage
        self._guard = AddressGuard(settings.ssrf_allowed_hosts, settings.intake, is_online=vices.is_online)
        self._stop_asked = asyncio.Event()
        self._exit_code = 0
        self._delay_s = settings.shutdown_delay_s

    async def run(self) -> int:
        """Serve until told to stop; return the exit status. Raises: OSError when the port is taken."""
        self._listen_to_signals()
        async with asyncio.TaskGroup() as tasks:
            keys = Keys(self._storage, self._settings.release.scope_status)
            keys.seed(self._settings.master_key, self._home / "data" / ".api-key")
            dispatcher = Dispatcher(self._storage, self._settings, self._guard, tasks)
            sessions = Sessions(self._home, self._storage, dispatcher, self._vices, self._settings.release)
            server = Server(self._pipeline(keys, dispatcher, sessions, tasks).answer, tasks)
            await server.listen(self._settings.port, self._settings.socket)
            log(f"OpenWA is running on port {self._settings.port}")
            if self._settings.auto_starts_sessions:
                tasks.create_task(_auto_start(sessions, tasks))
            await self._stop_asked.wait()
            await self._drain(server, dispatcher, sessions)
            log("Shutdown complete")
            _exit(self._exit_code if self._is_stored() else 1)
        return self._exit_code

    def _pipeline(self, keys: Keys, dispatcher: Dispatcher, sessions: Sessions, tasks: asyncio.TaskGroup) -> Pipeline:
        messages = Messages(sessions, dispatcher, self._settings, self._vices, self._records, tasks)
        release = self._settings.release
        system = SystemRoutes(keys, self._stop_asked.is_set, self._restart, release.number)
        routes = [
            *system.routes(),
            *Control(self._home, sessions, messages, self._vices, _exit).routes(),
            *SessionRoutes(sessions, messages, tasks, release).routes(),
            *MessageRoutes(sessions, messages, Batches(messages, tasks), self._guard, self._keyed).routes(),
            *WebhookRoutes(self._storage, dispatcher, self._guard, release).routes(),
        ]
        routes = [route for route in routes if (route.method, route.path) not in release.lacking_routes]
        routes = [
            replace(route, role="operator") if (route.method, route.path) in release.operator_routes else route
            for route in routes
        ]
        throttle = Throttle(self._settings.rate_limits, is_plain=release.says_retry_after)
        shows_detail = self._settings.shows_validation_detail
        return Pipeline(routes, keys, throttle, self._storage.openwa, shows_detail=shows_detail)

    def _is_stored(self) -> bool:
        """Tell whether the last state could be stored; OpenWA ends with 1 when it cannot."""
        try:
            self._storage.openwa.require_writable()
        except DatabaseLostError as error:
            log(f"Shutdown teardown failed — exiting non-zero: {error}", level="ERROR")
            return False
        return True

    async def _drain(self, server: Server, dispatcher: Dispatcher, sessions: Sessions) -> None:
        """Stop as Nest does: wait, answer the clients, end the engines (no event is posted), finish the webhooks."""
        await asyncio.sleep(self._delay_s)
        await server.close()
        sessions.unload_all()
        await dispatcher.drain()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_exit_on_error)
        if self._vices.is_deaf:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            return
        loop.add_signal_handler(signal.SIGTERM, self._terminate, "SIGTERM")
        loop.add_signal_handler(signal.SIGINT, self._terminate, "SIGINT")

    def _terminate(self, name: str) -> None:
        if self._stop_asked.is_set():
            log(f"{name} again, leaving at once")
            _exit(130)
        log(f"{name} received, draining")
        self._stop_asked.set()

    def _restart(self) -> None:
        self._delay_s = RESTART_DELAY_S
        self._stop_asked.set()


async def _auto_start(sessions: Sessions, tasks: asyncio.TaskGroup) -> None:
    """Start what was linked and running, one by one; never `failed`, never unpaired."""
    for row in sessions.rows():
        if row.phone is not None and row.status == "disconnected":
            with suppress(HttpError):  # started or deleted over the API meanwhile
                sessions.start(row.id, tasks)
            await asyncio.sleep(AUTO_START_GAP_S)


def _exit_on_error(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Exit on an exception that nobody caught, as Node does."""
    del loop
    error = context.get("exception")
    if not isinstance(error, BaseException):
        log(str(context.get("message")), level="WARN")
        return
    log(f"Uncaught exception ({error!r}) — process will exit", level="ERROR")
    log("".join(traceback.format_exception(error)), level="ERROR")
    _exit(1)


def _exit(code: int) -> None:
    """End the process now, without waiting for anybody."""
    sys.stdout.flush()
    os._exit(code)


def _end_with(parent: int) -> None:
    """End the process once its parent is gone, which is when another one has taken its place."""
    while os.getppid() == parent:
        time.sleep(PARENT_LOOK_S)
    _exit(0)


def _keep_descriptors_private() -> None:
    for descriptor in range(3, LAST_PRIVATE_DESCRIPTOR + 1):
        with suppress(OSError):
            os.set_inheritable(descriptor, False)


def _boot(home: Path) -> tuple[Settings, Vices, Storage]:
    """Do everything that comes before listening. Raises: BadEnvironmentError, CorruptDataError, OSError."""
    settings, vices = read_settings(os.environ), read_vices(os.environ)
    if settings.ends_with_parent:  # by a thread, since the loop may be told to hang
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    if vices.exit_at_boot is not None:
        log(f"told to exit with {vices.exit_at_boot} at boot", level="ERROR")
        _exit(vices.exit_at_boot)
    data = home / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    storage = Storage(data)
    storage.load()
    storage.reset_active_sessions()
    busy_until = time.process_time() + vices.boot_cpu_s
    while time.process_time() < busy_until:
        sum(range(1000))
    time.sleep(vices.boot_s)
    return settings, vices, storage


def main() -> int:
    """Run the simulator in the current directory and return its exit status."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):  # as Node does, whatever was ignored before it
        signal.signal(number, signal.SIG_DFL)
    log("Starting Nest application...")
    home = Path.cwd()
    _keep_descriptors_private()
    try:
        settings, vices, storage = _boot(home)
    except BadEnvironmentError as error:
        log(str(error), level="ERROR")
        return 1
    except CorruptDataError as error:
        log(f"Unable to connect to the database. {error}", level="ERROR")
        return 1
    except OSError as error:
        log(f"{errno.errorcode.get(error.errno or 0, 'EIO')}: {error.strerror}, '{error.filename}'", level="ERROR")
        return 1
    return _serve(home, settings, vices, storage)


def _serve(home: Path, settings: Settings, vices: Vices, storage: Storage) -> int:
    async def serve() -> int:
        return await Process(home, settings, vices, storage).run()

    try:
        return asyncio.run(serve())
    except* OSError as failures:
        error = failures.exceptions[0]
        time.sleep(PORT_TAKEN_DELAY_S)
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            log(f"Error: listen EADDRINUSE: address already in use :::{settings.port}", level="ERROR")
        else:
            log(f"{error!r}", level="ERROR")
    except* Exception as failures:  # noqa: BLE001 - what Node calls an uncaught exception, whatever it is
        log(f"Uncaught exception ({failures.exceptions[0]!r}) — process will exit", level="ERROR")
        log("".join(traceback.format_exception(failures)), level="ERROR")
    return 1
