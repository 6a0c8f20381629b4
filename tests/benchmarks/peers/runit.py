"""Runs runit: a folder with a script for each session; it has no remote interface, and so is not asked for rates."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.benchmarks.peers.contender import ENGINE, PATIENCE_S, Question
from tests.benchmarks.peers.processes import Program
from tests.e2e.peers.daemon import eventually
from tests.run.leftovers import find_leftovers

_OWN = ("runsvdir", "runsv")


class Runit:
    """`runsvdir` and the `runsv` of each session; a new session is seen up to five seconds later, and not measured."""

    name = "runit"
    is_slow = False
    can_create = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._services = folder / "service"
        self._services.mkdir()
        self._program = Program(("runsvdir", "-P", str(self._services)), self.environ(), folder)

    def start(self) -> None:
        """Run `runsvdir`, and wait until every session has its process."""
        self._program.start()
        eventually(lambda: len(self.pids()) == len(self._sessions()), within_s=PATIENCE_S, every_s=0.005)

    def supervisor(self) -> int:
        """Return `runsvdir`."""
        return self._program.pid

    def own(self) -> Sequence[int]:
        """Return `runsvdir` and the `runsv`s."""
        return [each.pid for each in find_leftovers(self.folder) if each.name() in _OWN]

    def create(self, session: str) -> float:
        """Make a session's folder; `runsvdir` is not told."""
        place = self.folder / "ready" / session
        place.mkdir(parents=True)
        run = place / "run"
        run.write_text(f"#!/bin/sh\nexec {' '.join(ENGINE)}\n")
        run.chmod(0o755)
        place.rename(self._services / session)
        return 0.0

    def remove(self, session: str) -> None:
        """Do nothing: no more than are wanted are created."""

    def start_all(self) -> None:
        """Start all, and wait for it."""
        self._control("start")

    def stop_all(self) -> None:
        """Stop all, and wait for it."""
        self._control("stop")

    def pids(self) -> Mapping[str, int]:
        """Return what each `runsv` wrote."""
        found: dict[str, int] = {}
        for session in self._sessions():
            with suppress(OSError, ValueError):  # it writes a new file, and an empty one while nothing runs
                found[session] = int((self._services / session / "supervise" / "pid").read_text())
        return found

    def save(self) -> None:
        """Do nothing: the folders are there."""

    def rate(self, question: Question, clients: int, seconds: float) -> float | None:  # noqa: ARG002
        """Return None: there is nobody to ask."""
        return None

    def list_argv(self) -> Sequence[str]:
        """Return `sv status` of all."""
        return ("sv", "status", *(str(self._services / session) for session in self._sessions()))

    def environ(self) -> Mapping[str, str]:
        """Return its environment."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder)}

    def close(self) -> None:
        """Kill `runsvdir`, and the `runsv`s, which outlive it."""
        own = [each for each in find_leftovers(self.folder) if each.name() in _OWN]
        for each in own:
            with suppress(ProcessLookupError):
                os.kill(each.pid, 9)
        self._program.close()

    def _sessions(self) -> list[str]:
        return sorted(each.name for each in self._services.iterdir())

    def _control(self, verb: str) -> None:
        places = [str(self._services / session) for session in self._sessions()]
        argv = ["sv", "-w", "60", verb, *places]
        subprocess.run(argv, env=self.environ(), check=True, capture_output=True, timeout=PATIENCE_S)
