"""What the fakes of macOS answer to the self-test's own questions, in the form of a recording."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from openwa_manager.cli.selftest.checks.children import WAITING_PYTHON, running
from openwa_manager.cli.selftest.checks.processes import MARK, PROGRAMS, raw_of_macos
from openwa_manager.cli.selftest.facts import Facts
from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE
from openwa_manager.host.system_library import load_library
from openwa_manager.processes.reading.darwin.libproc import Libproc
from openwa_manager.processes.reading.identity import environment_by_libproc, start_and_death_by_libproc
from tests.fakes.darwin.building import build_libproc
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
        if shutil.which(argv[0]) is None:
            yield name, None
            continue
        with running(argv, environ={"PATH": os.defpath, LAUNCH_ID_VARIABLE: MARK}) as child:
            shown = environment_by_libproc(libproc, child.pid)
        yield name, {"environment_of": shown.get(LAUNCH_ID_VARIABLE) == MARK}
