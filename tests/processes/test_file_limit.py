"""A process that may open no more files gives back what it has taken so far."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

if sys.platform != "linux":
    pytest.skip("counts descriptors in /proc", allow_module_level=True)

from openwa_manager.domain.errors import LaunchFailedError
from openwa_manager.domain.session.session import Exit, Identity
from openwa_manager.processes.exits import pidfd
from openwa_manager.processes.exits.status import reap_child
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.reading.identity import identity_of
from tests.fakes.file_limit import files_left, open_descriptors
from tests.fakes.process import ending
from tests.processes.conftest import Stage


def myself() -> Identity:
    identity = identity_of(os.getpid())
    assert identity is not None
    return identity


def fails_for_want_of_files(act: Callable[[], object], left: int) -> bool:
    """Tell whether `act` fails, and with the right error, while only `left` more files may be opened."""
    with files_left(left):
        try:
            act()
        except OSError as error:
            number = error.errno
        else:
            return False
    assert number == errno.EMFILE
    return True


@pytest.mark.parametrize("left", [0, 1])
def test_a_process_that_cannot_be_recognised_costs_no_descriptor(left: int) -> None:
    identity, before = myself(), open_descriptors()

    has_failed = fails_for_want_of_files(lambda: pidfd.open_pidfd(identity), left)

    assert has_failed
    assert open_descriptors() == before


def test_a_child_is_reaped_also_where_it_cannot_be_recognised() -> None:
    with ending(subprocess.Popen(["sh", "-c", "exit 7"])) as process:
        identity = identity_of(process.pid)
        assert identity is not None
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        with files_left(0):
            how = reap_child(identity)

    assert how == Exit(exit_code=7)


async def test_watching_in_vain_costs_no_descriptor() -> None:
    identity, pidfds, before = myself(), pidfd.Pidfds(), open_descriptors()

    with files_left(1):
        results = [pidfds.watch(identity, lambda: None) for _ in range(3)]

    assert results == [True, True, True]  # the sweep will find out
    assert open_descriptors() == before


@pytest.mark.parametrize("left", range(4))
async def test_a_launch_that_fails_for_want_of_files_costs_none(
    launcher: HostLauncher, stage: Stage, left: int
) -> None:
    plan, before = stage.plan("true"), open_descriptors()

    with files_left(left), pytest.raises(LaunchFailedError, match="Too many open files"):
        await launcher.launch(plan)

    assert open_descriptors() == before
