"""Runs a small test file with a pytest of its own, started as some callers start it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: Blocks and ignores signals, closes standard input, and then becomes the program it is told.
_RUDE = """
import os, signal, sys
ignored, program = sys.argv[1].split(), sys.argv[2:]
for name in ignored:
    signal.signal(signal.Signals[name], signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1})
os.close(0)
os.umask(0o077)
os.execv(program[0], program)
"""

_PLUGINS = (
    *("tests.run.inherited", "tests.run.limit"),
    *("pytest_timeout", "xdist.plugin", "pytest_asyncio.plugin", "no:cacheprovider"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the run ended and what it said."""

    code: int
    said: str


def run_nested(
    place: Path, tests: str, *words: str, ignored: str = "", environ: Mapping[str, str] | None = None
) -> Ended:
    """Run these tests in `place`: standard input closed, umask 077, signals blocked, and those of `ignored` ignored."""
    file = place / "test_nested.py"
    file.write_text(tests, "utf-8")
    argv = [sys.executable, "-c", _RUDE, ignored, sys.executable, "-m", "pytest", "-q", "-c", os.devnull]
    words = (*words, "-o", "asyncio_default_fixture_loop_scope=function")
    plugins = [word for name in _PLUGINS for word in ("-p", name)]
    places = (f"--rootdir={place}", f"--basetemp={place / 'nested'}", str(file))
    ours = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    ours["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = subprocess.run(
        [*argv, *plugins, *words, *places],
        env={**ours, **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=100,
    )
    return Ended(code=done.returncode, said=done.stdout.decode(errors="replace"))
