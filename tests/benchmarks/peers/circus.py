"""Runs circus: ZeroMQ through a unix socket, a watcher and a file in its configuration for each session."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.benchmarks.peers.contender import ENGINE, Question
from tests.benchmarks.peers.driver import Driver
from tests.benchmarks.peers.processes import Program

_SETTINGS: Final = """[circus]
endpoint = ipc://{folder}/c.sock
pubsub_endpoint = ipc://{folder}/p.sock
statsd = False
loglevel = WARNING
include = {folder}/conf.d/*.ini
"""
_WATCHER: Final = """[watcher:{session}]
cmd = {command}
numprocesses = 1
copy_env = True
max_retry = -1
"""
_OPTIONS: Final = {"numprocesses": 1, "copy_env": True, "max_retry": -1}
_QUESTIONS: Final = {Question.ONE: "one", Question.ALL: "all", Question.USAGE: "usage"}


class Circus:
    """Circusd, in the foreground; `warmup_delay` (0 s) and `check_delay` (5 s) are its own defaults."""

    name = "circus"
    is_slow = False
    can_create = True

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._settings = folder / "circus.ini"
        (folder / "conf.d").mkdir()
        self._settings.write_text(_SETTINGS.format(folder=folder))
        self._program = Program((str(programs / "circusd"), str(self._settings)), self.environ(), folder)
        self._driver: Driver | None = None

    def start(self) -> None:
        """Run it, and wait until it tells its version."""
        if self._driver is not None:
            self._driver.close()
        argv = (str(self._programs / "python"), str(Path(__file__).with_name("circus_driver.py")))
        self._driver = Driver((*argv, self._endpoint), self.environ(), self.folder)
        self._program.start()
        self._call("globaloptions")

    def supervisor(self) -> int:
        """Return its one process."""
        return self._program.pid

    def own(self) -> Sequence[int]:
        """Return its one process."""
        return [self._program.pid]

    def create(self, session: str) -> float:
        """Write the watcher's file, for the next start, and add the watcher; it answers once that runs."""
        began = time.perf_counter()
        text = _WATCHER.format(session=session, command=" ".join(ENGINE))
        (self.folder / "conf.d" / f"{session}.ini").write_text(text)
        wrote_s = time.perf_counter() - began
        return wrote_s + self._ask().seconds("add", name=session, argv=[*ENGINE], options={**_OPTIONS})

    def remove(self, session: str) -> None:
        """Remove the watcher and its file."""
        self._call("rm", name=session, waiting=True)
        (self.folder / "conf.d" / f"{session}.ini").unlink()

    def start_all(self) -> None:
        """Start all, and wait for it."""
        self._call("start", waiting=True)

    def stop_all(self) -> None:
        """Stop all, and wait for it."""
        self._call("stop", waiting=True)

    def pids(self) -> Mapping[str, int]:
        """Return what it tells of each watcher."""
        return self._ask().pids()

    def save(self) -> None:
        """Do nothing: the files are there."""

    def rate(self, question: Question, clients: int, seconds: float) -> float | None:
        """Ask for `status`, which tells no PID, or for `stats`, which tells CPU and memory."""
        return self._ask().seconds("rate", question=_QUESTIONS[question], clients=clients, seconds=seconds)

    def list_argv(self) -> Sequence[str]:
        """Return `circusctl status`."""
        return (str(self._programs / "circusctl"), "--endpoint", self._endpoint, "status")

    def environ(self) -> Mapping[str, str]:
        """Return its environment."""
        return {"PATH": f"{self._programs}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder)}

    def close(self) -> None:
        """Kill it."""
        if self._driver is not None:
            self._driver.close()
        self._program.close()

    @property
    def _endpoint(self) -> str:
        return f"ipc://{self.folder}/c.sock"

    def _ask(self) -> Driver:
        assert self._driver is not None
        return self._driver

    def _call(self, command: str, **properties: str | bool) -> None:
        self._ask().ask("call", command=command, properties={**properties})
