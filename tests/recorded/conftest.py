"""What the fakes of macOS answer to the self-test's own questions, in the form of a recording."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from openwa_manager.cli.selftest.checks.children import WAITING_PYTHON, running
from openwa_manager.cli.selftest.checks.exits import kevents_of_end, orphan
from openwa_manager.cli.selftest.checks.processes import MARK, PROGRAMS, raw_of_macos
from openwa_manager.cli.selftest.checks.watches import notes_of_changes
from openwa_manager.cli.selftest.facts import Facts
from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE
from openwa_manager.host.kernel.queue import KernelQueue
from openwa_manager.host.system_library import load_library
from openwa_manager.processes.reading.darwin.libproc import Libproc
from openwa_manager.processes.reading.identity import environment_by_libproc, start_and_death_by_libproc
from tests.fakes.darwin.building import build_libproc
from tests.fakes.kqueue.events import kevent
from tests.fakes.kqueue.queue import FakeKqueue
from tests.fakes.process import await_death, ending
from tests.recorded.recordings import Recording

_NOBODY = 65_534


@pytest.fixture(scope="session")
def of_fakes(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Return what stands in for macOS here, as if it had been recorded on one."""
    if sys.platform != "linux":
        pytest.skip("the fakes answer from /proc")
    libproc = Libproc(load_library(build_libproc(tmp_path_factory.mktemp("libproc"))))
    return {
        "system": {"is_root": False},
        "process_info": dict(_processes(libproc)),
        "visible_environments": dict(_environments(libproc)),
        "exit_order": {"early_count": _early_count()},
        "orphan_exit": {"kevents": _orphan_end()},
        "directory_notes": _notes(tmp_path_factory.mktemp("directories")),
    }


def _processes(libproc: Libproc) -> Iterator[tuple[str, Facts]]:
    with running(WAITING_PYTHON) as live:
        yield "live", _told(libproc, live.pid, os.getpid())
    with ending(subprocess.Popen(["true"])) as ended:
        await_death(ended.pid)
        yield "zombie", _told(libproc, ended.pid, os.getpid())
    if os.geteuid() != 0:
        yield "first", _told(libproc, 1, 0)
        return
    with ending(subprocess.Popen(["sleep", "1000"], user=_NOBODY, group=_NOBODY)) as anothers:
        yield "first", _told(libproc, anothers.pid, os.getpid())
        anothers.kill()


def _told(libproc: Libproc, pid: int, ppid: int) -> Facts:
    """Return the facts that `process_info` yields of a process, from the fake."""
    started, is_dead = start_and_death_by_libproc(libproc, pid) or (None, None)
    noted = {"pid": pid, "ppid": ppid, "started": started, "is_dead": is_dead, "psutil_started_us": started}
    return {**noted, **raw_of_macos(libproc, pid)}


def _environments(libproc: Libproc) -> Iterator[tuple[str, Facts | None]]:
    for name, argv in PROGRAMS.items():
        program = shutil.which(argv[0])
        if program is None:
            yield name, None
            continue
        with running((program, *argv[1:]), environ={"PATH": os.defpath, LAUNCH_ID_VARIABLE: MARK}) as child:
            shown = environment_by_libproc(libproc, child.pid)
        yield name, {"environment_of": shown.get(LAUNCH_ID_VARIABLE) == MARK}


@contextmanager
def _queue() -> Iterator[tuple[FakeKqueue, KernelQueue]]:
    with closing(FakeKqueue()) as fake:
        yield fake, KernelQueue(fake, kevent)


def _early_count() -> int:
    """Return how often the end of a process is announced that cannot be reaped yet, of one."""
    with _queue() as (fake, queue), running(WAITING_PYTHON) as child:
        kevents_of_end(queue, child.pid, lambda: fake.processes.post_exit(child.pid, 0))
        return int(os.waitpid(child.pid, os.WNOHANG)[0] == 0)


def _orphan_end() -> list[list[int]]:
    with _queue() as (fake, queue), orphan() as (pid, end):

        def ends() -> None:
            fake.processes.post_exit(pid, 7 << 8)
            end()

        return [list(each) for each in kevents_of_end(queue, pid, ends)]


def _notes(place: Path) -> Facts:
    def open_queue() -> KernelQueue:
        return KernelQueue(FakeKqueue(), kevent)

    return {name: notes for each in notes_of_changes(open_queue, place) for name, notes in each.items()}
