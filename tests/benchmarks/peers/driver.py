"""Speaks with a peer through a program in the peer's own language, which has its client library."""

import json
import select
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from openwa_manager.domain.delivery.events import Json
from tests.benchmarks.peers.contender import PATIENCE_S

_ENDS_WITHIN_S = 10.0


class Driver:
    """Such a program: a JSON object a line in, one a line out: `{"value"}` or `{"error"}`."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        with (folder / "driver.log").open("ab") as log:
            self._process = subprocess.Popen(
                argv, env=environ, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )

    def ask(self, verb: str, **fields: Json) -> Json:
        """Return what came of it.

        Raises:
            RuntimeError: it failed, did not answer in time, or has ended.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"do": verb, **fields}).encode() + b"\n")
        stdin.flush()
        if not select.select([stdout], [], [], PATIENCE_S)[0] or not (line := stdout.readline()):
            raise RuntimeError(f"{verb} got no answer")
        answer: dict[str, Json] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{verb}: {answer['error']}")
        return answer["value"]

    def seconds(self, verb: str, **fields: Json) -> float:
        """Return the number that it answers."""
        value = self.ask(verb, **fields)
        assert isinstance(value, int | float), value
        return float(value)

    def pids(self) -> dict[str, int]:
        """Return session → PID."""
        value = self.ask("pids")
        assert isinstance(value, dict), value
        return {name: pid for name, pid in value.items() if isinstance(pid, int)}

    def close(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait(_ENDS_WITHIN_S)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
