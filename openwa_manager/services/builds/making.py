"""Makes one build: fetch or copy, packages, their scripts, build, check, then it is in place."""

import asyncio
import errno
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Final

from openwa_manager.domain.builds.builds import (
    Build,
    BuildName,
    BuildState,
    CheckResult,
    FolderSource,
    GitSource,
    Source,
)
from openwa_manager.domain.errors import InstallFailedError
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.builds.contract import check_build, is_built, program_in, version_in
from openwa_manager.engines.builds.steps import InstallPlace, InstallStep, StepMaker
from openwa_manager.engines.program import ProgramValues
from openwa_manager.host.builds.trees import (
    allow_programs,
    copy_tree,
    put_in_place,
    seal_tree,
    strip_tree,
    tree_bytes,
)
from openwa_manager.host.capacity import free_disk_bytes
from openwa_manager.processes.tools.runner import Tool, ToolRunner
from openwa_manager.services.builds.catalog import BuildCatalog

#: How often it is looked how large an installation has become.
_SIZE_LOOK_S: Final = 5.0
#: How many of the last lines of a program tell why it failed.
_LINES_TOLD: Final = 12
_UNCONFINED: Final = "its packages' scripts ran unconfined, with all rights of the daemon's user"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallProgress:
    """How far an installation is: what it does now, what was said last, and since when (wall time)."""

    step: str
    line: str
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallTools:
    """What installations are made with; `unconfined_why` says why nothing can be forbidden here (None: it can be).

    An installation ends when less than `min_free_disk_bytes` is left: engines write to the same disk.
    """

    runner: ToolRunner
    maker: StepMaker
    programs: ProgramValues
    unconfined_why: str | None = None
    min_free_disk_bytes: int = 0


class ProgressBoard:
    """Owns how far installations are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._of: dict[BuildName, InstallProgress] = {}

    def of(self, name: BuildName) -> InstallProgress | None:
        """Return how far the installation of a build is; None when none is under way."""
        return self._of.get(name)

    def note(self, name: BuildName, step: str, line: str = "") -> None:
        """Note what is done now, and what was said."""
        known = self._of.get(name)
        since = known.since if known is not None and known.step == step else self._clock.now().at
        self._of[name] = InstallProgress(step=step, line=line, since=since)

    def forget(self, name: BuildName) -> None:
        """Note that an installation is over."""
        self._of.pop(name, None)


class BuildMaker:
    """Makes builds in folders of others; `progress` tells how far they are."""

    def __init__(self, catalog: BuildCatalog, tools: InstallTools, clock: Clock) -> None:
        self._catalog = catalog
        self._tools = tools
        self._clock = clock
        self.progress = ProgressBoard(clock)

    async def sweep(self, build: Build, place: InstallPlace) -> None:
        """End what an earlier daemon left running of an installation."""
        await self._tools.runner.sweep(build.install_id, place.root)

    async def make(self, build: Build, source: Source, place: InstallPlace) -> None:
        """Fetch or copy a build, make it, and put it in place once it will do.

        Raises:
            InstallFailedError | ProgramMissingError | OSError: it cannot be made, or will not do.
        """
        await to_end(partial(_make_place, place))
        await asyncio.to_thread(_require_room, place.root, self._tools.min_free_disk_bytes)
        await self._fetch(source, place, build)
        await self._make(build, place)
        self.progress.note(build.name, "put it in place")
        await to_end(partial(put_in_place, place.tree, self._catalog.folder_of(build.name)))

    async def _fetch(self, source: Source, place: InstallPlace, build: Build) -> None:
        match source:
            case FolderSource(path=path):
                self.progress.note(build.name, f"copy {path}")
                stopped = Event()
                await to_end(partial(copy_tree, path, place.tree, lambda: not stopped.is_set()), stopped.set)
            case GitSource():
                for step in await asyncio.to_thread(self._tools.maker.fetching, source, place):
                    await self._take(step, place, build)
                await to_end(partial(strip_tree, place.tree))
                await asyncio.to_thread(tree_bytes, place.tree)  # nothing else looks at what is too deep, or too large

    async def _make(self, build: Build, place: InstallPlace) -> None:
        """Make a build of the tree, unless it is one, and see whether it will do.

        Raises:
            InstallFailedError | ProgramMissingError | OSError: it cannot be made, or will not do.
        """
        if await asyncio.to_thread(version_in, place.tree) is None:
            raise InstallFailedError(f"{build.source} has no package.json with a version: is this OpenWA?")
        if not await asyncio.to_thread(is_built, place.tree):
            node = await program_in(place.tree, self._tools.programs).node()
            for step in await asyncio.to_thread(self._tools.maker.making, node, place):
                await self._take(step, place, build)
                await to_end(partial(allow_programs, place.tree))
        self.progress.note(build.name, "check it")
        checks = await check_build(place.tree, self._tools.programs)
        if failed := [each.detail for each in checks if each.result is CheckResult.FAILED]:
            raise InstallFailedError("; ".join(failed))
        await to_end(partial(seal_tree, place.tree))

    async def finished(self, build: Build) -> Build:
        """Return the build as it lies in place, ready.

        Raises OSError when it cannot be read.
        """
        folder = self._catalog.folder_of(build.name)
        checks = await check_build(folder, self._tools.programs)
        warnings = [each.detail for each in checks if each.result is not CheckResult.OK]
        if self._tools.unconfined_why is not None:
            warnings.append(f"{_UNCONFINED}: {self._tools.unconfined_why}")
        return replace(
            build,
            state=BuildState.READY,
            version=await asyncio.to_thread(version_in, folder),
            warnings=tuple(warnings),
            size_bytes=await asyncio.to_thread(tree_bytes, folder),
            installed_at=self._clock.now().at,
        )

    async def _take(self, step: InstallStep, place: InstallPlace, build: Build) -> None:
        """Run one program of the installation to its end.

        Raises:
            InstallFailedError: it failed, took too long, or wrote too much.
        """
        self.progress.note(build.name, step.label)
        tool = Tool(
            tool_id=build.install_id,
            argv=step.argv,
            env=step.env,
            cwd=step.cwd,
            directory=place.root,
            within_s=step.within_s,
            confinement=step.confinement if self._tools.unconfined_why is None else None,
        )
        too_large: list[OSError] = []
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(
                self._tools.runner.run(tool, partial(self.progress.note, build.name, step.label))
            )
            watching = tasks.create_task(self._end_when_too_large(place, running, too_large))
            await asyncio.wait({running})
            watching.cancel()
        if too_large:
            raise InstallFailedError(f"{step.label}: {too_large[0].strerror}")
        outcome = running.result()
        if outcome.error is not None:
            said = "\n".join(outcome.lines[-_LINES_TOLD:])
            raise InstallFailedError(f"{step.label}: {outcome.error}" + (f"\n{said}" if said else ""))

    async def _end_when_too_large(
        self, place: InstallPlace, running: "asyncio.Task[object]", found: list[OSError]
    ) -> None:
        while True:
            await self._clock.sleep_until(self._clock.now().boot_s + _SIZE_LOOK_S)
            try:
                await asyncio.to_thread(_require_room, place.root, self._tools.min_free_disk_bytes)
                await asyncio.to_thread(tree_bytes, place.root)
            except FileNotFoundError:
                continue  # files come and go while packages are put in place
            except OSError as error:
                found.append(error)
                running.cancel()
                return


def _make_place(place: InstallPlace) -> None:
    for folder in (place.root, place.home, place.tmp):
        folder.mkdir(mode=0o700)


def _require_room(folder: Path, min_free_bytes: int) -> None:
    if free_disk_bytes(folder) < min_free_bytes:
        raise OSError(errno.ENOSPC, f"less than {min_free_bytes >> 20} MiB of disk is free (min_free_disk_bytes)")


async def to_end(work: Callable[[], None], stop: Callable[[], None] = lambda: None) -> None:
    """Do something in a thread, which is waited for in any case: it must not write where others remove.

    `stop` is called when nobody wants it any more. Raises what the work does.
    """
    working = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        await asyncio.wait({working})
    finally:
        stop()
        await asyncio.wait({working})
    working.result()
