"""Runs PM2: its own module in Node.js, its RPC through a unix socket, fork mode and no interpreter."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from openwa_manager.domain.delivery.events import Json
from tests.benchmarks.peers.contender import ENGINE, PATIENCE_S, Question
from tests.benchmarks.peers.driver import Driver
from tests.benchmarks.peers.processes import kill

#: It asks nobody for newer versions, prints no advertisement, and acts on more than two sessions at once.
_ENVIRON: Final = {
    "PM2_DISCRETE_MODE": "true",
    "PM2_DISABLE_VERSION_CHECK": "true",
    "PM2_CONCURRENT_ACTIONS": "16",
    "NO_COLOR": "1",
}
_APP: Final[Mapping[str, Json]] = {
    "script": ENGINE[0],
    "args": [*ENGINE[1:]],
    "exec_mode": "fork",
    "interpreter": "none",
    "autorestart": True,
    "restart_delay": 0,
    "min_uptime": 0,
    "max_restarts": 1_000_000,
    "vizion": False,
    "pmx": False,
}
_QUESTIONS: Final = {Question.ONE: "one", Question.ALL: "all", Question.USAGE: "usage"}


class Pm2:
    """PM2 with a home of its own; its daemon runs in the background, as its commands start it."""

    name = "PM2"
    is_slow = True
    can_create = True

    def __init__(self, folder: Path, place: Path) -> None:
        self.folder = folder
        self._place = place
        self._node = Path(os.environ.get("NODE", "node"))
        self._driver: Driver | None = None

    def start(self) -> None:
        """Run `pm2 resurrect` if sessions were saved, else `pm2 ping`: either starts the daemon and waits for it."""
        self._close_driver()
        verb = "resurrect" if (self.folder / "dump.pm2").exists() else "ping"
        with (self.folder / "output.log").open("ab") as log:
            subprocess.run(
                self._argv(verb),
                env=self.environ(),
                cwd=self.folder,
                check=True,
                timeout=PATIENCE_S,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        driver = Path(__file__).with_name("pm2_driver.js")
        self._driver = Driver((str(self._node), str(driver), str(self._place)), self.environ(), self.folder)

    def supervisor(self) -> int:
        """Return its daemon."""
        return int((self.folder / "pm2.pid").read_text())

    def own(self) -> Sequence[int]:
        """Return its daemon."""
        return [self.supervisor()]

    def create(self, session: str) -> float:
        """Start an application."""
        return self._ask().seconds("create", app={**_APP, "name": session, "cwd": str(self.folder)})

    def remove(self, session: str) -> None:
        """Delete an application."""
        self._ask().ask("remove", name=session)

    def start_all(self) -> None:
        """Restart all, which starts the stopped ones."""
        self._ask().ask("start_all")

    def stop_all(self) -> None:
        """Stop all."""
        self._ask().ask("stop_all")

    def pids(self) -> Mapping[str, int]:
        """Return what it tells of all."""
        return self._ask().pids()

    def save(self) -> None:
        """Run `pm2 save`, by its module."""
        self._ask().ask("save")

    def rate(self, question: Question, clients: int, seconds: float) -> float | None:
        """Ask by RPC for all, with CPU and memory: there is no smaller question."""
        return self._ask().seconds("rate", question=_QUESTIONS[question], clients=clients, seconds=seconds)

    def list_argv(self) -> Sequence[str]:
        """Return `pm2 list`."""
        return self._argv("list")

    def environ(self) -> Mapping[str, str]:
        """Return its environment, the daemon's home in it."""
        homes = {"HOME": str(self.folder), "PM2_HOME": str(self.folder)}
        return {"PATH": os.environ["PATH"], **_ENVIRON, **homes}

    def close(self) -> None:
        """Kill the daemon."""
        self._close_driver()
        with suppress(FileNotFoundError):
            kill([self.supervisor()])

    def _close_driver(self) -> None:
        if self._driver is not None:
            self._driver.close()
            self._driver = None

    def _argv(self, verb: str) -> Sequence[str]:
        return (str(self._node), str(self._place / "node_modules" / "pm2" / "bin" / "pm2"), verb)

    def _ask(self) -> Driver:
        if self._driver is None:
            raise RuntimeError("PM2 is not started")
        return self._driver
