"""The signals a program of ours goes by, however it was started."""

import signal
import subprocess
import sys

import pytest

from tests.fakes.process import handing_on


def said_by(program: str) -> str:
    argv = [
        sys.executable,
        "-c",
        f"import signal, subprocess\nfrom openwa_manager.processes.signals import *\n{program}",
    ]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


@pytest.mark.parametrize(
    ("ignored", "ending"),
    [
        ((), [15, 2]),
        ((signal.SIGINT,), [15]),
        ((signal.SIGTERM, signal.SIGHUP), [15, 2]),
    ],
)
def test_sigint_ends_us_unless_we_were_started_to_ignore_it(
    ignored: tuple[signal.Signals, ...], ending: list[int]
) -> None:
    with handing_on(ignored=ignored):
        said = said_by("print([int(number) for number in ending_signals()])")

    assert said == str(ending)


def test_blocked_signals_and_ignored_children_are_restored() -> None:
    with handing_on(ignored={signal.SIGCHLD}, blocked={signal.SIGTERM, signal.SIGALRM}):
        said = said_by(
            "restore_inherited()\n"
            "print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), subprocess.run(['sh', '-c', 'exit 3']).returncode)"
        )

    assert said == "set() 3"
