"""Installs builds, one after the other, and knows which are under way."""

import asyncio
import os
import uuid
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from openwa_manager.domain.builds.builds import (
    Build,
    BuildName,
    BuildState,
    Source,
    is_build,
)
from openwa_manager.domain.errors import ConflictError, InstallFailedError, ProgramMissingError, StorageFullError
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import LaunchId
from openwa_manager.engines.builds.steps import InstallPlace
from openwa_manager.host.builds.trees import (
    remove_tree,
    take_away,
)
from openwa_manager.services.builds.catalog import BuildCatalog
from openwa_manager.services.builds.making import BuildMaker, InstallProgress, InstallTools, to_end

_log = structlog.get_logger()

#: How many installations may wait behind the one that is being made.
_WAITING_MAX: Final = 8
#: How many builds there may be, also failed ones: each is a line of every list.
BUILDS_MAX: Final = 100
#: How long to wait before what a full disk did not take is recorded again.
_RECORD_AGAIN_S: Final = 1.0
_INTERRUPTED: Final = "the daemon ended while it was being installed; install it again"
_GIVEN_UP: Final = "it was given up, but not removed; remove it again"
_UNFORESEEN: Final = "an error of this program, of which its log says more"
_GONE: Final = "its folder is gone; install it again"
_FOUND: Final = "found in the folder of builds"


class Installer:
    """Owns what is not yet a build: its folder, its processes, its progress."""

    def __init__(self, catalog: BuildCatalog, tools: InstallTools, clock: Clock, folder: Path) -> None:
        self._catalog = catalog
        self._clock = clock
        self._folder = folder
        self._busy: set[BuildName] = set()
        self._waiting: dict[BuildName, tuple[Build, Source]] = {}
        self._woken = asyncio.Event()
        self._maker = BuildMaker(catalog, tools, clock)
        self._group: asyncio.TaskGroup | None = None
        self._running: tuple[BuildName, asyncio.Task[None]] | None = None
        self._ending: dict[BuildName, asyncio.Task[Exception | None]] = {}

    def progress_of(self, name: BuildName) -> InstallProgress | None:
        """Return how far the installation of a build is; None when none is under way."""
        return self._maker.progress.of(name)

    async def install(self, name: BuildName, source: Source) -> Build:
        """Return the build whose installation begins now, or once those before it are done.

        Raises:
            ConflictError: there is one of this name, there are too many, or too many wait.
            StorageFullError: it could not be recorded.
        """
        known = self._catalog.find(name)
        if known is not None and known.state is not BuildState.FAILED:
            raise ConflictError(f"the build {name} is {known.state} already; remove it first, or give another name")
        if name in self._busy:
            raise ConflictError(f"the build {name} is being installed or removed already")
        if known is None and len(self._catalog) >= BUILDS_MAX:
            raise ConflictError(f"there are {BUILDS_MAX} builds; remove some first")
        if len(self._busy) > _WAITING_MAX:
            raise ConflictError("too many installations wait; try again later")
        self._busy.add(name)  # name and place are taken before anything is waited for
        try:
            build = await self._accept(name, source)
        except asyncio.CancelledError:
            await self._drop(name)
            raise
        except BaseException:
            self._busy.discard(name)
            raise
        self._maker.progress.note(name, "wait for its turn")
        self._waiting[name] = build, source
        self._woken.set()
        return build

    async def _drop(self, name: BuildName) -> None:
        """Forget an installation whose caller has left while it was recorded: the write goes on without him."""
        try:
            await self._catalog.forget(name)
        except StorageFullError as error:
            _log.warning("build_not_forgotten", build=name, error=str(error))
        finally:
            self._busy.discard(name)

    async def _accept(self, name: BuildName, source: Source) -> Build:
        folder = self._catalog.folder_of(name)
        if await asyncio.to_thread(os.path.lexists, folder):
            raise ConflictError(f"{folder} is there already: remove the build {name} first, or give another name")
        build = self._new(name, source.shown)
        await self._catalog.save(build)
        return build

    async def give_up(self, name: BuildName) -> None:
        """End an installation, or forget one that waits or has failed; all that is left of it is removed.

        It goes on to its end, also when who asked for it does not wait.

        Raises:
            ConflictError: it has just become ready, or what an earlier daemon left is not cleared away yet.
            StorageFullError: it could not be forgotten; it does not run any more.
        """
        if self._group is None:
            raise ConflictError("what an earlier daemon left is being cleared away; try again")
        if name not in self._ending:
            is_running = self._running is not None and self._running[0] == name
            if name in self._busy and not is_running and name not in self._waiting:
                raise ConflictError(f"the build {name} is just being asked for; try again")
            self._busy.add(name)
            self._ending[name] = self._group.create_task(_outcome_of(self._end(name)))
        ending = self._ending[name]
        await asyncio.wait({ending})
        if (error := ending.result()) is not None:
            raise error

    async def _end(self, name: BuildName) -> None:
        try:
            self._waiting.pop(name, None)
            if self._running is not None and self._running[0] == name:
                _, task = self._running
                task.cancel()
                await asyncio.wait({task})
            build = self._catalog.find(name)
            if build is not None and build.state is BuildState.READY:
                raise ConflictError(f"the build {name} has become ready meanwhile; remove it, if nobody may have it")
            await self._remove_unfinished(name, build)
        finally:
            self._forget_progress(name)
            self._ending.pop(name, None)

    async def _remove_unfinished(self, name: BuildName, build: Build | None) -> None:
        """Remove what is left of an installation, and its record; one that stays is said to have failed.

        Raises:
            OSError | StorageFullError: it stays.
        """
        try:
            if build is not None:  # it may be in place already, and not recorded yet
                hidden = self._folder / f".removed-{build.install_id}"
                await to_end(partial(_take_away, self._catalog.folder_of(name), hidden))
            await self._catalog.forget(name)
        except (OSError, StorageFullError) as error:
            if build is not None and build.state is BuildState.INSTALLING:
                await self._catalog.save_or_note(_failed(build, f"{_GIVEN_UP}: {error}"))
            raise

    async def run(self) -> None:
        """Clear away what an earlier daemon left, then make what is wanted, until cancelled."""
        async with asyncio.TaskGroup() as group:
            await self._clear_away()
            self._group = group
            while await self._woken.wait():
                self._woken.clear()
                while self._waiting:
                    name = next(iter(self._waiting))
                    task = group.create_task(self._install(*self._waiting.pop(name)))
                    self._running = (name, task)
                    await asyncio.wait({task})
                    self._running = None

    async def _clear_away(self) -> None:
        """End what is left of installations that were cut short; one that was whole already is a build."""
        for build in self._catalog:
            if build.state is BuildState.READY:
                await self._require_folder(build)
            if build.state is not BuildState.INSTALLING or build.name in self._busy:
                continue
            await self._maker.sweep(build, self._place_of(build))
            is_there = await asyncio.to_thread(self._catalog.folder_of(build.name).is_dir)
            await self._record(await self._as_found(build) if is_there else _failed(build, _INTERRUPTED))
        for name in await asyncio.to_thread(_sweep_folder, self._folder):
            if self._catalog.find(name) is None:  # the registry was restored, or lost
                await self._record(await self._as_found(self._new(name, _FOUND)))

    async def _require_folder(self, build: Build) -> None:
        """Record a build that somebody took away as failed, so that it can be installed again."""
        if not await asyncio.to_thread(self._catalog.folder_of(build.name).is_dir):
            await self._record(_failed(build, _GONE))

    async def _as_found(self, build: Build) -> Build:
        """Return a build that nobody saw being finished."""
        try:
            return await self._maker.finished(build)
        except Exception as error:  # noqa: BLE001 (whatever lies there, the daemon must begin)
            return _failed_by(build, error)

    async def _install(self, build: Build, source: Source) -> None:
        """Install one build, and record what came of it once nothing of the installation is left."""
        place = self._place_of(build)
        _log.info("build_install_started", build=build.name, source=build.source)
        try:
            await self._maker.make(build, source, place)
            ended = await self._maker.finished(build)
        except Exception as error:  # noqa: BLE001 (what strangers made of a build is no reason to end the daemon)
            ended = _failed_by(build, error)
        finally:
            self._maker.progress.note(build.name, "clear away what it was made in")
            await to_end(partial(_remove, place.root))
        await self._record(ended)
        self._forget_progress(build.name)
        log = _log.info if ended.state is BuildState.READY else _log.warning
        log("build_install_ended", build=build.name, state=ended.state, error=ended.error)

    async def _record(self, build: Build) -> None:
        """Record what became of an installation; a full disk is waited for, since it is done."""
        while True:
            try:
                return await self._catalog.save(build)
            except StorageFullError as error:
                _log.warning("build_not_recorded", build=build.name, error=str(error))
                await self._clock.sleep_until(self._clock.now().boot_s + _RECORD_AGAIN_S)

    def _forget_progress(self, name: BuildName) -> None:
        self._maker.progress.forget(name)
        self._busy.discard(name)

    def _new(self, name: BuildName, source: str) -> Build:
        return Build(
            name=name,
            state=BuildState.INSTALLING,
            source=source,
            install_id=LaunchId(uuid.uuid4().hex),
            created_at=self._clock.now().at,
        )

    def _place_of(self, build: Build) -> InstallPlace:
        return InstallPlace(self._folder / f".install-{build.install_id}")


def _failed(build: Build, error: str) -> Build:
    return replace(build, state=BuildState.FAILED, error=error)


def _failed_by(build: Build, error: Exception) -> Build:
    """Return a build as failed, with the reason in words; what we did not foresee is logged with its place."""
    match error:
        case InstallFailedError() | ProgramMissingError():
            return _failed(build, str(error))
        case OSError():
            return _failed(build, f"{error.strerror}: {error.filename or build.source}")
    _log.error("build_failed_unforeseen", build=build.name, exc_info=error)
    return _failed(build, _UNFORESEEN)


def _remove(folder: Path) -> None:
    """Remove an unfinished folder; what stands in the way is said, and the next daemon tries again."""
    try:
        remove_tree(folder)
    except Exception as error:  # noqa: BLE001 (the daemon goes on with what cannot be removed)
        _log.warning("build_folder_not_removed", path=str(folder), error=str(error))


def _sweep_folder(folder: Path) -> list[BuildName]:
    """Remove what is unfinished, or was being removed, and return the names of the builds that lie there."""
    entries = list(folder.iterdir())
    for each in entries:
        if each.name.startswith("."):
            _remove(each)
    return [BuildName(each.name) for each in entries if is_build(each.name) and each.is_dir()]


def _take_away(folder: Path, hidden: Path) -> None:
    if folder.is_dir():
        take_away(folder, hidden)
        _remove(hidden)


async def _outcome_of(work: Coroutine[object, object, None]) -> Exception | None:
    """Return what something raised, which is for who waits for it."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 (it is raised by who waits for it)
        return error
    return None
