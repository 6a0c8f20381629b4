"""The processes that a run of the tests has started and that still live."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

#: Where a shell has been; whoever looks at the files of a run from a terminal is not part of it.
_PLACES = ("PWD", "OLDPWD")
_KILLED_WITHIN_S = 5.0


def find_leftovers(place: Path) -> list[psutil.Process]:
    """Return the living processes whose environment names the temporary directory of a run, or that work there.

    Every program of a test has its `HOME` there, or its working directory if it was given no environment.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and _is_alive(process) and _is_of(process, place):
                found.append(process)
    return found


def find_descendants() -> list[psutil.Process]:
    """Return the living processes below this one, as far as their parents live."""
    return [each for each in psutil.Process().children(recursive=True) if _is_alive(each)]


def end_all(processes: Iterable[psutil.Process]) -> list[str]:
    """Kill these processes, and return what each was."""
    processes = [*{each.pid: each for each in processes}.values()]
    described = [_describe(process) for process in processes]
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=_KILLED_WITHIN_S)
    return described


def _is_of(process: psutil.Process, place: Path) -> bool:
    with suppress(psutil.Error, OSError):
        if any(_names(text, place) for name, text in process.environ().items() if name not in _PLACES):
            return True
    return process.terminal() is None and Path(process.cwd()).is_relative_to(place)


def _names(text: str, place: Path) -> bool:
    return text.endswith(str(place)) or f"{place}/" in text  # pytest-1 is not pytest-10


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid}: {' '.join(process.cmdline()) or process.name()} in {process.cwd()}"
    except psutil.Error:
        return f"{process.pid}: has ended"
