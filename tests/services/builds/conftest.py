"""An installer with real processes, a real database and a folder of its own; nothing is confined."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from openwa_manager.domain.builds.builds import Build, BuildName, BuildState
from openwa_manager.domain.isolation import IsolationRules
from openwa_manager.engines.builds.steps import StepMaker
from openwa_manager.engines.program import ProgramValues
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.services.build_choices import BuildChoices
from openwa_manager.services.builds.catalog import BuildCatalog
from openwa_manager.services.builds.installer import Installer
from openwa_manager.services.builds.making import InstallTools
from openwa_manager.store.database import Database
from tests.e2e.builds.trees import write_node
from tests.fakes.polling import until

_UNCONFINED = "it is a test"


@dataclass
class Rig:
    """One installer; `folder` is where builds lie, and `outside` where a test keeps its trees."""

    installer: Installer
    catalog: BuildCatalog
    folder: Path
    outside: Path

    async def until_over(self, name: str) -> Build:
        """Return a build once it is not being installed any more."""
        await until(lambda: self.catalog.get(BuildName(name)).state is not BuildState.INSTALLING)
        await until(lambda: self.installer.progress_of(BuildName(name)) is None)
        return self.catalog.get(BuildName(name))

    @property
    def names(self) -> list[str]:
        """Return what lies in the folder of builds."""
        return sorted(each.name for each in self.folder.iterdir())


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Return a database of its own."""
    async with Database(tmp_path / "manager.db") as opened:
        yield opened


@pytest.fixture
async def launcher(tmp_path: Path) -> AsyncIterator[HostLauncher]:
    """Return what runs programs."""
    files = EngineFiles()
    launcher = HostLauncher(SessionLocks(tmp_path / "locks"), SystemClock(), files, sweep_s=0.05)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(launcher.run())
        yield launcher
        running.cancel()
    launcher.close()
    files.close()


@pytest.fixture
def make_rig(tmp_path: Path, database: Database, launcher: HostLauncher) -> Callable[..., Rig]:
    """Return what makes an installer that does not run yet, on the same folder and database each time."""

    def make(min_free_disk_bytes: int = 0) -> Rig:
        outside, folder = tmp_path / "outside", tmp_path / "builds"
        for each in (outside, folder):
            each.mkdir(exist_ok=True)
        values = ProgramValues(
            node=str(write_node(outside)), openwa_home=outside, builds=folder, command_argv=(), environ=os.environ
        )
        maker = StepMaker(environ=os.environ, rules=IsolationRules())
        tools = InstallTools(
            runner=launcher.tools,
            maker=maker,
            programs=values,
            unconfined_why=_UNCONFINED,
            min_free_disk_bytes=min_free_disk_bytes,
        )
        catalog = BuildCatalog(database, BuildChoices(), folder, outside)
        return Rig(Installer(catalog, tools, SystemClock(), folder), catalog, folder, outside)

    return make


@pytest.fixture
async def rig(make_rig: Callable[[], Rig]) -> AsyncIterator[Rig]:
    """Return an installer that runs."""
    made = make_rig()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.installer.run())
        yield made
        running.cancel()
