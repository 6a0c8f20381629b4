"""What the system tells of processes: the raw bytes, when one began, its environment, and what a scan costs."""

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from openwa_manager.cli.selftest.checks.children import WAITING_PYTHON, read_line, running, until
from openwa_manager.cli.selftest.facts import Facts, error_name, hex_of, spread_ms, took_s
from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.darwin.libproc import Libproc, system_libproc
from openwa_manager.processes.reading.identity import (
    environment_of,
    identity_of,
    live_identity_of,
    start_and_death_by_psutil,
)
from openwa_manager.processes.reading.places import read_places
from openwa_manager.processes.reading.table import (
    processes_by_psutil,
    read_processes,
    read_tagged_processes,
    tag_of,
)

_SCANS = 7
#: What stands in the environment of each program, as a launch id.
MARK = "00000000-0000-4000-8000-000000000000"
#: What becomes another program says so on its output, once it waits again.
_BECOMES = "import os, sys; sys.stdin.readline(); os.execv(sys.argv[1], sys.argv[1:])"
_SAYS_SO = {
    "python": (sys.executable, "-I", "-S", "-c", "import sys; print('ready', flush=True); sys.stdin.read()"),
    "sh": ("/bin/sh", "-c", "echo ready; read line"),
}
#: Whose environment is asked for, and how it is made to wait: some are Apple's own, which keep theirs to themselves.
PROGRAMS: Mapping[str, Sequence[str]] = {
    "python": WAITING_PYTHON,
    "node": ("node", "-e", "process.stdin.resume()"),
    "sh": ("/bin/sh", "-c", "read line"),
    "bash": ("/bin/bash", "-c", "read line"),
    "zsh": ("/bin/zsh", "-c", "read line"),
    "sleep": ("/bin/sleep", "5"),
}


def process_info(_place: Path) -> Iterator[Facts]:
    """Note what the system tells of a live process, a zombie and the first of all, and what we make of it."""
    with running(WAITING_PYTHON) as live:
        yield {"live": _info_of(live.pid)}
    with running(("/bin/sh", "-c", "exit 3")) as ended:
        until(lambda: live_identity_of(ended.pid) is None)
        yield {"zombie": _info_of(ended.pid)}
    yield {"first": _info_of(1)}


def _info_of(pid: int) -> Facts:
    identity, by_psutil = identity_of(pid), start_and_death_by_psutil(pid)  # None: gone, or hidden from us
    return {
        "pid": pid,
        "ppid": 0 if pid == 1 else os.getpid(),
        **_raw(pid),
        "started": identity.started if identity else None,
        "is_dead": live_identity_of(pid) is None if identity else None,
        "psutil_started_us": by_psutil[0] if by_psutil else None,
        "psutil_is_dead": by_psutil[1] if by_psutil else None,
    }


def _raw(pid: int) -> Facts:
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        return raw_of_macos(system_libproc(), pid)
    else:  # noqa: RET505 mypy understands only this form
        stat = procfs.read(f"/proc/{pid}/stat")
        return {"stat": hex_of(without_name(stat)) if stat else None}


def raw_of_macos(libproc: Libproc, pid: int) -> Facts:
    """Return the structures in which macOS tells of a process; None for one that is refused, with the error's name."""
    calls: Mapping[str, Callable[[int], bytes | None]] = {
        "bsdinfo": libproc.raw_bsdinfo,
        "taskallinfo": libproc.raw_taskallinfo,
        "rusage_info_v2": libproc.raw_rusage,
    }
    told, refused = {}, {}
    for name, call in calls.items():
        told[name], refused[name] = _answer(call, pid)
    return {**{name: hex_of(raw) for name, raw in told.items()}, "refused": refused}


def _answer(call: Callable[[int], bytes | None], pid: int) -> tuple[bytes | None, str | None]:
    ctypes.set_errno(0)
    try:
        raw = call(pid)
    except OSError as error:
        return None, error_name(error)
    return raw, None if raw is not None else errno.errorcode.get(ctypes.get_errno())


def without_name(stat: bytes) -> bytes:
    """Return the content of a stat file without the program's name: the first process's may say whose host it is."""
    return stat[: stat.index(b"(") + 1] + b"-" + stat[stat.rindex(b")") :]


def start_across_exec(_place: Path) -> Iterator[Facts]:
    """Find out whether a process that becomes another program keeps its start: an identity relies on it."""
    for name, argv in _SAYS_SO.items():
        with running((sys.executable, "-I", "-S", "-c", _BECOMES, *argv)) as child:
            before = identity_of(child.pid)
            if child.stdin is not None:
                child.stdin.write(b"go on\n")
                child.stdin.flush()
            has_become = read_line(child) == "ready"
            after = identity_of(child.pid)
        starts = [each.started if each else None for each in (before, after)]
        yield {name: {"has_become_another": has_become, "starts": starts, "is_same": starts[0] == starts[1]}}


def visible_environments(_place: Path) -> Iterator[Facts]:
    """Find out which programs show the environment that they were started with, to the user who started them."""
    yield from environments_of(PROGRAMS)


def environments_of(programs: Mapping[str, Sequence[str]]) -> Iterator[Facts]:
    """Yield of each program whether it shows its environment; None where it is not installed."""
    for name, argv in programs.items():
        program = shutil.which(argv[0])  # by our own PATH: the child's has neither nodejs.org's Node nor Homebrew's
        if program is None:
            yield {name: None}
            continue
        with running((program, *argv[1:]), environ={"PATH": os.defpath, LAUNCH_ID_VARIABLE: MARK}) as child:
            is_visible = until(lambda pid=child.pid: _shows_mark(pid), within_s=0.5)  # type: ignore[misc]
            tag = tag_of(child.pid)
            yield {name: {"environment_of": is_visible, "tag_of": bool(tag and tag.launch_id == MARK)}}


def _shows_mark(pid: int) -> bool:
    identity = identity_of(pid)
    return identity is not None and environment_of(identity).get(LAUNCH_ID_VARIABLE) == MARK


def process_scan(_place: Path) -> Iterator[Facts]:
    """Measure what one look at all processes costs, in our own ways and by psutil."""
    scans: Mapping[str, Callable[[], object]] = {
        "read_processes": read_processes,
        "read_tagged_processes": read_tagged_processes,
        "read_places": read_places,
        "psutil": lambda: list(processes_by_psutil()),
    }
    yield {"process_count": len(read_processes()), "psutil_process_count": len(list(processes_by_psutil()))}
    for name, scan in scans.items():
        yield {name: spread_ms([took_s(scan) for _ in range(_SCANS)])}
