"""Imports what the daemon, or a command, imports of others, and does no more but for opening the daemon's socket."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from tests.e2e.peers.daemon import QUICK
from tests.fakes.ports import free_ports
from tests.fakes.process import ending

_ROOT = Path(__file__).parents[3]
_PATIENCE_S = 60.0

#: Runs a daemon until it answers, and writes in their order the modules that it has imported.
_NOTE = """
import json, os, signal, socket, sys, threading, time

def note():
    while True:
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(sys.argv[2] + "/run/manager.sock")
            line.sendall(b"GET /livez HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
            if line.recv(12).endswith(b"200"):
                break
        except OSError:
            time.sleep(0.002)
        line.close()
    with open(sys.argv[1], "w") as file:
        json.dump(list(sys.modules), file)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=note, daemon=True).start()
from openwa_manager.cli import main
sys.exit(main(["serve", "--home", sys.argv[2]]))
"""

#: Imports them and listens.
_IMPORT = """
import socket, sys
for name in NAMES:
    try:
        __import__(name)
    except ImportError:
        pass
line = socket.socket(socket.AF_UNIX)
line.bind(sys.argv[1])
line.listen()
line.accept()
"""


#: Runs a command, and writes in their order the modules that it has imported.
_NOTE_COMMAND = """
import json, sys
from openwa_manager.cli import main
try:
    main(sys.argv[2:])
finally:
    with open(sys.argv[1], "w") as file:
        json.dump(list(sys.modules), file)
"""

#: Imports them.
_IMPORT_ALONE = """
for name in NAMES:
    try:
        __import__(name)
    except ImportError:
        pass
"""


def command_floor(words: Sequence[str], environ: Mapping[str, str]) -> Sequence[str]:
    """Return what runs a Python that only imports what this command of ours imports of others."""
    with tempfile.TemporaryDirectory(prefix="openwa-bench-") as folder:
        names = Path(folder, "names.json")
        subprocess.run(
            [sys.executable, "-c", _NOTE_COMMAND, str(names), *words],
            env=environ,
            stdout=subprocess.DEVNULL,
            check=True,
            cwd=_ROOT,
            timeout=_PATIENCE_S,
        )
        loaded = _of_others(json.loads(names.read_text()))
    return [sys.executable, "-c", f"NAMES = {loaded!r}\n{_IMPORT_ALONE}"]


@cache
def imported_names() -> Sequence[str]:
    """Return the modules that a daemon has imported by when it answers, in their order, but for our own."""
    with tempfile.TemporaryDirectory(prefix="openwa-bench-") as folder:
        names = Path(folder, "names.json")
        api, intake = free_ports(2)
        settings = {**QUICK, "LISTEN": f"127.0.0.1:{api}", "INTAKE_LISTEN": f"127.0.0.1:{intake}"}
        environ = {"PATH": os.environ["PATH"], "HOME": folder}
        environ |= {f"OPENWA_MANAGER_{name}": value for name, value in settings.items()}
        subprocess.run(
            [sys.executable, "-c", _NOTE, str(names), f"{folder}/home"],
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            cwd=_ROOT,
            timeout=_PATIENCE_S,
        )
        return _of_others(json.loads(names.read_text()))


def _of_others(names: Sequence[str]) -> Sequence[str]:
    return [name for name in names if name.partition(".")[0] not in ("__main__", "openwa_manager", "tests")]


def import_time_s() -> float:
    """Return after how long a program that imports these could be connected to, in seconds."""
    program = f"NAMES = {imported_names()!r}\n{_IMPORT}"
    with tempfile.TemporaryDirectory(prefix="openwa-bench-") as folder:
        path = Path(folder, "floor.sock")
        began_s = time.perf_counter()
        with ending(subprocess.Popen([sys.executable, "-c", program, str(path)], cwd=_ROOT)):
            _until_open(path)
            return time.perf_counter() - began_s


def _until_open(path: Path) -> None:
    deadline_s = time.perf_counter() + _PATIENCE_S
    while True:
        with socket.socket(socket.AF_UNIX) as line, suppress(OSError):
            line.connect(str(path))
            return
        assert time.perf_counter() < deadline_s, "it never listened"
        time.sleep(0.001)
