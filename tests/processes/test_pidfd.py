import os
import platform
import signal
import subprocess
import sys

import pytest

if sys.platform != "linux":
    pytest.skip("process descriptors are Linux's", allow_module_level=True)

from openwa_manager.domain.session.session import Exit
from openwa_manager.host.clock import SystemClock
from openwa_manager.processes.exits import pidfd
from openwa_manager.processes.exits.exit_watcher import ExitWatcher
from openwa_manager.processes.reading.identity import live_identity_of
from tests.fakes.process import await_death, ending

KERNEL = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])


@pytest.mark.skipif(KERNEL < (6, 15), reason="PIDFD_INFO_EXIT is new in Linux 6.15")
def test_the_exit_code_of_a_process_reaped_by_its_own_parent_is_known() -> None:
    program = "import subprocess; p = subprocess.Popen(['sleep', '1000']); print(p.pid, flush=True); print(p.wait())"
    with ending(subprocess.Popen([sys.executable, "-uc", program], stdout=subprocess.PIPE, text=True)) as parent:
        assert parent.stdout is not None
        identity = live_identity_of(int(parent.stdout.readline()))
        assert identity is not None
        fd = pidfd.open_pidfd(identity)
        assert fd is not None

        pidfd.send(identity, signal.SIGTERM)
        assert parent.stdout.readline() == "-15\n"  # from here on it is no zombie any more

        assert pidfd.exit_of(fd, identity) == Exit(signal=signal.SIGTERM)
        os.close(fd)


async def test_without_a_free_descriptor_the_sweep_learns_of_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    exits = ExitWatcher(SystemClock(), pidfd.Pidfds())
    process = subprocess.Popen(["sleep", "1000"])
    identity = live_identity_of(process.pid)
    assert identity is not None

    def refuse(pid: int) -> int:
        raise OSError(24, "Too many open files", str(pid))

    monkeypatch.setattr(os, "pidfd_open", refuse)
    exits.watch(identity)
    process.send_signal(signal.SIGKILL)
    await_death(process.pid)

    assert await exits.wait(identity) == Exit(signal=signal.SIGKILL)
    process.returncode = 0
    exits.close()
