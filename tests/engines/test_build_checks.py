"""What is found in folders that others have made, when a build is looked for there."""

import asyncio
import os
from pathlib import Path

from openwa_manager.domain.builds.builds import BuildCheck, CheckResult
from openwa_manager.engines.builds.addons import addons_in
from openwa_manager.engines.builds.contract import check_build
from openwa_manager.engines.program import ProgramValues


async def checks_of(tree: Path) -> dict[str, BuildCheck]:
    values = ProgramValues(
        node=str(tree / "no-node"), openwa_home=tree, builds=tree, command_argv=(), environ={"PATH": ""}
    )
    async with asyncio.timeout(10):
        return {each.name: each for each in await check_build(tree, values)}


async def test_a_native_module_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    release = tmp_path / "node_modules" / "sqlite3" / "build" / "Release"
    release.mkdir(parents=True)
    os.mkfifo(release / "sqlite3.node")

    async with asyncio.timeout(10):
        found = await asyncio.to_thread(addons_in, tmp_path)

    assert found == {}


async def test_a_folder_that_cannot_be_looked_into_fails_in_words(tmp_path: Path) -> None:
    checks = await checks_of(tmp_path / ("x" * 300))

    assert checks["version"].result is CheckResult.FAILED
    assert checks["program"].result is CheckResult.FAILED
    assert checks["packages"].result is CheckResult.WARNING
