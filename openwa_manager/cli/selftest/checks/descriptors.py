"""What a child gets of our open files: the lock that proves an engine, and what shells and Node hand on."""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from openwa_manager.cli.selftest.checks.children import WAITING_PYTHON, WITHIN_S, end_input, running, until
from openwa_manager.cli.selftest.facts import Facts
from openwa_manager.domain.session.session import LaunchId, SessionId
from openwa_manager.processes.locks import HIGHEST_FD, SessionLocks
from openwa_manager.processes.reading.ownership import holds_lock
from openwa_manager.processes.reading.table import Process, read_tagged_processes

_SESSION, _LAUNCH = SessionId("selftest"), LaunchId("00000000-0000-4000-8000-000000000000")
#: Low numbers, those around the last that Node closes, and one that no shell uses for itself.
_NUMBERS = (3, 4, 9, 10, 11, HIGHEST_FD, HIGHEST_FD + 1, HIGHEST_FD + 2, 40)
_NAMES_OPEN = """
import os, sys
for number in map(int, sys.argv[1:]):
    try:
        os.fstat(number)
    except OSError:
        continue
    print(number)
"""


def lock_through_children(place: Path) -> Iterator[Facts]:
    """Take a session's lock as a launch does, give it to a child, and see who holds it until when."""
    locks = SessionLocks(place / ".locks")
    with ExitStack() as ended:
        with locks.hold(_SESSION, _LAUNCH) as fd:
            child = ended.enter_context(running(WAITING_PYTHON, handed_on=(fd,)))
        yield {
            "fd": fd,
            "is_held_by_child": locks.is_held(_SESSION),
            "launch_is_written": locks.launch_of(_SESSION) == _LAUNCH,
            "child_is_found": holds_lock(child.pid, _SESSION, _LAUNCH, locks),
            "child_is_in_table": child.pid in {each.pid for each in _holders(locks)},
            "we_are_found": holds_lock(os.getpid(), _SESSION, _LAUNCH, locks),
        }
        end_input(child)
        child.wait(WITHIN_S)
        yield {"is_held_afterwards": locks.is_held(_SESSION)}
    yield _lock_through_shell(locks, "sh", ("/bin/sh", "-c"))
    yield _lock_through_shell(locks, "bash", ("/bin/bash", "-c"))


def _lock_through_shell(locks: SessionLocks, name: str, shell: Sequence[str]) -> Facts:
    """Tell whether what a shell starts holds the lock on once the shell has ended."""
    if shutil.which(shell[0]) is None:
        return {name: None}
    # What runs in the background gets another input, unless it is told which: a copy, for shells differ on `<&0`.
    script = f"exec 9<&0; '{sys.executable}' -I -S -c 'import sys; sys.stdin.read()' <&9 9<&- & exit 0"
    with locks.hold(_SESSION, _LAUNCH) as fd:
        child = subprocess.Popen(  # noqa: S603 (our own argv)
            (*shell, script),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(fd,),
        )
    try:
        child.wait(WITHIN_S)
        is_held, holder_count = locks.is_held(_SESSION), len(_holders(locks))
    finally:
        end_input(child)
    return {
        name: {
            "is_held_by_grandchild": is_held,
            "holder_count": holder_count,
            "is_free_afterwards": until(lambda: not locks.is_held(_SESSION)),
        }
    }


def _holders(locks: SessionLocks) -> list[Process]:
    return read_tagged_processes().holding(locks.places_of(_SESSION), _LAUNCH)


def handed_on(_place: Path) -> Iterator[Facts]:
    """Find out which of our descriptors reach what a shell or Node starts."""
    asks = (sys.executable, "-I", "-S", "-c", _NAMES_OPEN)
    yield {"given": list(_NUMBERS)}
    for name, argv in _starters(asks).items():
        yield {name: None if shutil.which(argv[0]) is None else _reached(argv, _NUMBERS)}


def _starters(asks: Sequence[str]) -> dict[str, Sequence[str]]:
    """Return what starts `asks` with the numbers that stand behind: itself, a shell (and goes on after it), Node."""
    shell_script = '"$@"; true'
    node_script = "require('child_process').spawnSync(process.argv[1], process.argv.slice(2), {stdio: 'inherit'})"
    shells = {name: (f"/bin/{name}", "-c", shell_script, name, *asks) for name in ("sh", "bash", "zsh")}
    return {"directly": asks, **shells, "node": ("node", "-e", node_script, *asks)}


def _reached(argv: Sequence[str], numbers: Collection[int]) -> list[int]:
    with ExitStack() as closed:
        null = os.open(os.devnull, os.O_RDWR)
        closed.callback(os.close, null)
        for number in numbers:
            if not _is_open(number):
                closed.callback(os.close, os.dup2(null, number))
        told = subprocess.run(  # noqa: S603 (our own argv)
            (*argv, *map(str, numbers)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=WITHIN_S,
            pass_fds=tuple(numbers),
        )
    return [int(line) for line in told.stdout.split()]


def _is_open(number: int) -> bool:
    try:
        os.get_inheritable(number)
    except OSError:
        return False
    return True
