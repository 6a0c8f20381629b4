"""A world of the mock: a daemon in a fork, which takes the mock's key, serves `/_mock`, and ends with its keeper."""

import asyncio
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import NoReturn

from aiohttp import web

from openwa_manager import daemon
from openwa_manager.api.admission.admission import Admission
from openwa_manager.api.admission.host_check import HostCheck
from openwa_manager.api.listeners import ListenAddresses
from openwa_manager.cli.mock.asked import forget_in_child
from openwa_manager.cli.mock.line import READY
from openwa_manager.cli.mock.routes import Keeping, MockRoutes
from openwa_manager.config import Settings
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.values import dataclass
from openwa_manager.processes.signals import send_signal
from openwa_manager.services.sessions.directory import SessionDirectory

#: Names that are for private use end so (RFC 6761, RFC 6762, ICANN's .internal).
_PRIVATE_ENDINGS = (".localhost", ".test", ".local", ".internal")
#: Making builds runs programs of whoever asks, and everybody knows the mock's key.
_WITHHELD = {Action.INSTALL_BUILD: "the mock installs no builds: its engines are simulated"}
#: How often a world looks whether it is ready to serve.
_LOOK_S = 0.002
#: How long killed engines may take to be dead, so that a keeper who is process 1 inherits none of them.
_REAP_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldPlan:
    """What a world gets from its keeper: `listeners` are the API's and the intake's, `log` None: the terminal."""

    key: str = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    settings: Settings
    listeners: tuple[socket.socket, socket.socket]
    log: Path | None


def run_world(plan: WorldPlan, line: socket.socket) -> NoReturn:
    """Run the daemon in this process, which is a fork of its keeper's, until the line ends or asks for it."""
    code = 1
    try:
        forget_in_child()
        os.environ.clear()
        os.environ.update(plan.environ)
        _redirect(plan.log)
        code = daemon.run(plan.settings, _MockEmbedder(plan, line))
    except BaseException:  # noqa: BLE001 - nothing above may run twice
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(log: Path | None) -> None:
    """Read nothing, and write to the log."""
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    if log is not None:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)


class _MockHostCheck(HostCheck):
    """Lets requests for any host pass where the mock is reached from outside: its user chose how it is called there.

    On loopback, where a browser may run beside it, only for what no public name service answers for: a web page could
    have its own name point at us, and everybody knows the mock's key.
    """

    def __init__(self, *, is_loopback: bool) -> None:
        super().__init__()
        self._is_loopback = is_loopback

    def is_name_of_ours(self, host: str, own: str) -> bool:
        """Tell whether a request may name this host."""
        if not self._is_loopback or super().is_name_of_ours(host, own):
            return True
        return "." not in host or host.endswith(_PRIVATE_ENDINGS) or _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class _MockEmbedder:
    """What a daemon in a mock does otherwise."""

    def __init__(self, plan: WorldPlan, line: socket.socket) -> None:
        self._plan = plan
        self._home = plan.settings.home
        self._line = line
        self._sessions: SessionDirectory | None = None
        self._host_check = _MockHostCheck(is_loopback=ip_address(plan.listeners[0].getsockname()[0]).is_loopback)

    def place(self, addresses: ListenAddresses) -> ListenAddresses:
        """Listen where the keeper does."""
        control, intake = self._plan.listeners
        return replace(addresses, control=control, intake=intake)

    def admit(self, admission: Admission) -> Admission:
        """Take the mock's key for the admin's."""
        admin_key = (self._home / "admin.key").read_text("ascii").strip()
        authenticator = admission.authenticator.also_taking(self._plan.key, admin_key)
        return replace(admission, host_check=self._host_check, authenticator=authenticator, withheld=_WITHHELD)

    def extend(self, control: web.Application, sessions: SessionDirectory) -> None:
        """Serve `/_mock`, and listen to the keeper."""
        self._sessions = sessions
        keeper = Keeping(line=self._line, listener=self._plan.listeners[0])
        routes = MockRoutes(sessions, self._home / "books.jsonl", keeper, self._host_check)
        control.middlewares.append(routes.serve)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._line, self._end)
        loop.call_soon(self._tell_ready, sessions)

    def _tell_ready(self, sessions: SessionDirectory) -> None:
        if not sessions.is_ready:
            asyncio.get_running_loop().call_later(_LOOK_S, self._tell_ready, sessions)
            return
        with suppress(OSError):  # the keeper is gone, which the reader hears, too
            self._line.send(READY)

    def _end(self) -> None:
        """Kill the engines, wait for their end, and end; what is being launched right now ends with its parent."""
        identities = [] if self._sessions is None else list(self._sessions.live().values())
        for identity in identities:
            with suppress(OSError):
                send_signal(identity, signal.SIGKILL)
        give_up_s = time.monotonic() + _REAP_S
        for identity in identities:
            with suppress(ChildProcessError):
                while os.waitpid(identity.pid, os.WNOHANG) == (0, 0) and time.monotonic() < give_up_s:
                    time.sleep(_LOOK_S)
        os._exit(0)
