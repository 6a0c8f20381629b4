"""What a daemon does once when it takes its sessions up, it does once however many they are."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.peers.daemon import Daemon

Serve = Callable[..., Daemon]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the processes are listed by /proc")

#: Every Python that reads it at its start notes there what of this it does, a word a line, in whichever thread.
_NOTE = """
import sys, threading

def note(word):
    with open({file!r}, "a") as file:
        print(word, file=file)

def call(frame, event, _):
    if event == "call" and frame.f_code.co_name == "load_sessions":
        note("sessions")

def hear(event, arguments):
    if event in ("os.listdir", "os.scandir") and arguments[0] == "/proc":
        note("processes")

threading.setprofile(call)
sys.addaudithook(hear)
"""


@pytest.mark.parametrize("count", [1, 12])
def test_the_sessions_are_read_once_and_the_processes_as_often_as_for_one(
    serve: Serve, tmp_path: Path, count: int
) -> None:
    noted = tmp_path / "noted"
    (tmp_path / "sitecustomize.py").write_text(_NOTE.format(file=str(noted)))
    sleeper = {"ENGINE": "command", "COMMAND_ARGV": json.dumps(["/bin/sleep", "600"])}
    daemon = serve(settings=sleeper, environ={"PYTHONPATH": str(tmp_path)})
    for number in range(count):
        daemon.create(f"s{number}")
    before = daemon.registry()
    daemon.kill()
    noted.write_text("")

    daemon.start()
    seen = Counter(noted.read_text().split())

    assert daemon.registry() == before
    assert seen["sessions"] == 1
    assert 1 <= seen["processes"] <= 3  # to find engines, and what is measured once they are taken up
