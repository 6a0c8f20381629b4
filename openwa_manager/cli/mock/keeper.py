"""The mock's own process: holds the port, and runs one world after the other behind it.

Theory. A world is a daemon with its engines in a home of its own. It is a fork of this process, which has imported all
that a daemon needs and does nothing else: so a reset costs no import, and leaves nothing of the world before, whatever
that had in memory. This process listens from the beginning and hands its socket to each world: who connects while none
is there waits in the kernel's queue and is refused by nobody.

Between the two processes lies a pair of sockets, the line. A world says READY on it, or RESET together with the
connection of whoever asked for that: this process answers there, once the next world is ready. A world is asked for a
reset before it is ready, too, and by several at once: whoever asks is noted wherever the line is read, and one reset
answers all who asked the same world. When the line ends, the other side is gone: a world then ends at once, and so does
the mock. No thread may run here: threads do not survive a fork.
"""

import gc
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import NamedTuple

from openwa_manager.cli.errors import CommandFailedError
from openwa_manager.cli.mock.application import Application
from openwa_manager.cli.mock.asked import AskedToEnd, asked_by_signals
from openwa_manager.cli.mock.homes import remove, temporary_home
from openwa_manager.cli.mock.line import END, Said, hear, hear_rest
from openwa_manager.cli.mock.plan import MockPlan
from openwa_manager.cli.terminal.output import Output
from openwa_manager.host.heap import without_collection

_BACKLOG = 128
#: How long a world may take to be ready, and to end when it is asked to.
_READY_S, _END_S = 60.0, 3.0
_LOOK_S = 0.01
_LOG, _LOG_TAIL_BYTES = "daemon.log", 2000


class _RunningWorld(NamedTuple):
    """A world that runs: its process, its line, its home."""

    pid: int
    line: socket.socket
    home: Path


class Keeper:
    """Runs a mock until it is asked to end."""

    def __init__(self, plan: MockPlan, environ: Mapping[str, str], output: Output) -> None:
        self._plan = plan
        self._environ = environ
        self._output = output
        self._application = Application(plan.command)
        self._count = 0
        self._askers: list[socket.socket] = []

    def run(self) -> int:
        """Serve until SIGTERM or Ctrl-C, or until the application's command ends; return the exit code, which is its.

        Raises:
            CommandFailedError: the port is taken, or the daemon does not start.
            ConfigError: it does not take what was chosen.
        """
        began_s = time.perf_counter()
        with ExitStack() as stack:
            listener = stack.enter_context(_bound(self._plan.host, self._plan.port))
            intake = stack.enter_context(_bound("127.0.0.1", 0))
            asked = stack.enter_context(asked_by_signals())
            base = stack.enter_context(temporary_home())
            _import_daemon()
            world = self._begin(base, listener, intake)
            try:
                if self._is_ready(world, asked):
                    self._open(listener, time.perf_counter() - began_s)
                    while self._is_told(world, asked):
                        world = self._renew(world, asked, (base, listener, intake))
            finally:
                self._application.end()
                for each in (*self._askers, *_end(world)):
                    each.close()
        return self._application.code or 0

    def _begin(self, base: Path, listener: socket.socket, intake: socket.socket) -> _RunningWorld:
        from openwa_manager.cli.mock.world import WorldPlan, run_world
        from openwa_manager.config import load

        self._count += 1
        home = base / str(self._count)
        environ = self._plan.environ(self._environ, home, (listener.getsockname()[1], intake.getsockname()[1]))
        plan = WorldPlan(
            key=self._plan.key,
            environ=environ,
            settings=load({}, environ).settings,
            listeners=(listener, intake),
            log=None if self._plan.is_verbose else home / _LOG,
        )
        home.mkdir(mode=0o700)
        with ExitStack() as unless_begun:
            ours, theirs = socket.socketpair()
            unless_begun.callback(ours.close)
            with closing(theirs):
                pid = os.fork()
                if pid == 0:
                    ours.close()
                    run_world(plan, theirs)
            unless_begun.pop_all()
        return _RunningWorld(pid, ours, home)

    def _is_told(self, world: _RunningWorld, asked: AskedToEnd) -> bool:
        """Wait until somebody wants another world; False once the mock is to end.

        Raises:
            CommandFailedError: this one is gone.
        """
        while not self._askers:
            said = self._heard(world, asked)
            if said is None:
                return False
            if said.is_over:
                raise CommandFailedError(f"the daemon in the mock ended by itself{_told(world)}")
        return True

    def _renew(
        self, world: _RunningWorld, asked: AskedToEnd, places: tuple[Path, socket.socket, socket.socket]
    ) -> _RunningWorld:
        """Replace a world and answer those who asked it for that; return the one that runs now.

        Raises:
            CommandFailedError: the next one does not come.
        """
        with ExitStack() as waiting:
            began_s = time.perf_counter()
            connections = [waiting.enter_context(each) for each in (*self._askers, *_end(world))]
            self._askers = []
            following = self._begin(*places)
            try:
                is_ready = self._is_ready(following, asked)
                elapsed_ms = round((time.perf_counter() - began_s) * 1000)
                if is_ready:
                    _answer(connections, {"reset": True, "elapsed_ms": elapsed_ms})
            except BaseException:
                _end(following)
                raise
        remove(world.home)
        return following

    def _is_ready(self, world: _RunningWorld, asked: AskedToEnd) -> bool:
        """Wait until a world is ready; False if the mock is asked to end before.

        Raises:
            CommandFailedError: it does not come.
        """
        give_up_s = time.perf_counter() + _READY_S
        while time.perf_counter() < give_up_s:
            said = self._heard(world, asked, 0.5)
            if said is None:
                return False
            if said.is_ready:
                return True
            if said.is_over:
                break
        raise CommandFailedError(f"the daemon in the mock did not start{_told(world)}")

    def _open(self, listener: socket.socket, elapsed_s: float) -> None:
        """Say where the mock is: to the application's command, if there is one, else to whoever reads what we print."""
        host, port = listener.getsockname()[:2]
        known = {
            "OPENWA_BASE_URL": f"http://{_reachable(host)}:{port}",
            "OPENWA_API_KEY": self._plan.key,
            "OPENWA_WEBHOOK_SECRET": self._plan.webhook_secret,
        }
        if self._application.is_wanted:
            self._application.start(known)
            return
        lines = [
            f"OpenWA {self._plan.version} is played at http://{_shown(host)}:{port}, ready after {elapsed_s:.2f} s.",
            "For the application's .env:",
            *(f"{name}={text}" for name, text in known.items()),
        ]
        if self._plan.webhook_url is None:
            lines.append("Events go nowhere: --webhook-url sends them.")
        if not _is_loopback(host):
            lines.append(f"Everybody who reaches {host} may use it: it holds nothing, but run it in tests only.")
        self._output.write("\n".join(lines))

    def _heard(self, world: _RunningWorld, asked: AskedToEnd, within_s: float | None = None) -> Said | None:
        """Return what a world says next; None once the mock is to end."""
        while not asked.is_asked and self._application.code is None:
            ready, _, _ = select.select([world.line, asked.waker], (), (), within_s)
            asked.rest()
            if world.line in ready and not asked.is_asked:
                said = hear(world.line)
                self._askers += said.connections
                return said
            if not ready:
                return Said(is_over=False, is_ready=False, connections=())
        return None


def _end(world: _RunningWorld) -> Sequence[socket.socket]:
    """End a world: it kills its engines, and then itself; if it does not, it is killed and they end by themselves.

    Return the connections of those who have asked for a reset meanwhile.
    """
    with closing(world.line):
        with suppress(OSError):
            world.line.sendall(END)
        if not _is_gone(world.pid, _END_S):
            with suppress(ProcessLookupError):
                os.kill(world.pid, signal.SIGKILL)
            _is_gone(world.pid, _END_S)
        return hear_rest(world.line)


def _is_gone(pid: int, within_s: float) -> bool:
    give_up_s = time.perf_counter() + within_s
    while time.perf_counter() < give_up_s:
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                return True
        except ChildProcessError:
            return True
        time.sleep(_LOOK_S)
    return False


def _answer(connections: Sequence[socket.socket], body: Mapping[str, object]) -> None:
    """Answer whoever asked for the reset; his connection was the former world's, so it ends."""
    text = json.dumps(body).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    )
    for each in connections:
        with suppress(OSError):  # he has hung up
            each.setblocking(True)
            each.settimeout(1)
            each.sendall(head.encode() + text)
            each.shutdown(socket.SHUT_WR)  # the world that was just forked has the connection, too


def _told(world: _RunningWorld) -> str:
    """Return the end of a world's log."""
    try:
        said = (world.home / _LOG).read_bytes()[-_LOG_TAIL_BYTES:]
    except OSError:
        return ""
    return f"; the end of its log:\n{said.decode(errors='replace')}"


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens there.

    Raises:
        CommandFailedError: that is impossible.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CommandFailedError(
            f"cannot listen on {_shown(host)}:{port} ({reason}): end what does, or choose another --port"
        ) from error


def _import_daemon() -> None:
    """Import what worlds need, those parts too that a daemon imports once it runs; worlds then share it all."""
    with without_collection():
        import openwa_manager.cli.mock.world
        import openwa_manager.engines.command
        import openwa_manager.engines.simulator

        if sys.platform != "darwin":
            import watchfiles  # noqa: F401

            import openwa_manager.watcher.watchfiles_watch
        del openwa_manager
    gc.freeze()


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reachable(host: str) -> str:
    """Return what a program on this host calls it by."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, _shown(host))  # noqa: S104 - it is compared


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host == "::1"
