import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks


@pytest.fixture
async def launcher(tmp_path: Path) -> AsyncIterator[HostLauncher]:
    files = EngineFiles()
    launcher = HostLauncher(SessionLocks(tmp_path / "locks"), SystemClock(), files, sweep_s=0.05)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(launcher.run())
        yield launcher
        running.cancel()
    launcher.close()
    files.close()
