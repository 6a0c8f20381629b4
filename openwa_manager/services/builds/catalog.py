"""The builds that are known, each as last recorded, and which one is the default."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from openwa_manager.domain.builds.builds import HOME_BUILD, Build, BuildName, BuildState
from openwa_manager.domain.errors import BuildNotFoundError, ConflictError, StorageFullError
from openwa_manager.services.build_choices import BuildChoices
from openwa_manager.store.builds.builds import DefaultBuild, load_builds, load_default, remove_build, save_build
from openwa_manager.store.database import Database


class BuildCatalog:
    """Owns the records of the builds; `folder` is where they lie, and `home` where the setting's own build does."""

    def __init__(self, database: Database, choices: BuildChoices, folder: Path, home: Path) -> None:
        self._database = database
        self._choices = choices
        self._folder = folder
        self._home = home
        self._builds: dict[BuildName, Build] = {}
        self._chosen: Counter[BuildName] = Counter()
        self._leaving: set[BuildName] = set()
        self.default = DefaultBuild(HOME_BUILD, None)

    async def load(self) -> None:
        """Read what is recorded; until then nothing is known, and every session would run the setting's own build."""
        self._builds = {each.name: each for each in await self._database.read(load_builds)}
        self.note_default(await self._database.read(load_default))

    def note_default(self, default: DefaultBuild) -> None:
        """Have sessions that pin no build run this one from their next launch on; it is recorded."""
        self.default = default
        self._choices.default = default.name

    def __iter__(self) -> Iterator[Build]:
        return iter(tuple(self._builds.values()))

    def __len__(self) -> int:
        return len(self._builds)

    def find(self, name: BuildName) -> Build | None:
        """Return the record of a build; None when there is none, as of the setting's own."""
        return self._builds.get(name)

    def get(self, name: BuildName) -> Build:
        """Return the record of a build.

        Raises:
            BuildNotFoundError: there is none.
        """
        found = self._builds.get(name)
        if found is None:
            raise BuildNotFoundError(f"there is no build {name!r}; GET /v1/builds lists them")
        return found

    def folder_of(self, name: BuildName) -> Path:
        """Return where a build lies, or will."""
        return self._home if name == HOME_BUILD else self._folder / name

    def is_usable(self, name: str) -> bool:
        """Tell whether sessions may run this build."""
        found = self._builds.get(BuildName(name))
        is_there = found is not None and found.state is BuildState.READY and found.name not in self._leaving
        return name == HOME_BUILD or is_there

    def require_usable(self, name: BuildName) -> None:
        """Accept a build that sessions may run.

        Raises:
            BuildNotFoundError: there is none.
            ConflictError: it is not ready, or is being removed.
        """
        if name in self._leaving:
            raise ConflictError(f"the build {name} is being removed")
        if name != HOME_BUILD and (found := self.get(name)).state is not BuildState.READY:
            raise ConflictError(f"the build {name} is not ready: it is {found.state}")

    @contextmanager
    def chosen(self, name: BuildName) -> Iterator[None]:
        """Keep a build there while it is being recorded who shall run it.

        Raises:
            BuildNotFoundError: there is none.
            ConflictError: it is not ready, or is being removed.
        """
        self.require_usable(name)
        self._chosen[name] += 1
        try:
            yield
        finally:
            self._chosen[name] -= 1

    @contextmanager
    def leaving(self, name: BuildName) -> Iterator[None]:
        """Keep a build from being chosen while it is removed.

        Raises:
            ConflictError: it is being chosen, or removed already.
        """
        if self._chosen[name] or name in self._leaving:
            raise ConflictError(f"the build {name} is just being chosen or removed")
        self._leaving.add(name)
        try:
            yield
        finally:
            self._leaving.discard(name)

    async def save(self, build: Build) -> None:
        """Record a build as it is now.

        Raises:
            StorageFullError: nothing was recorded.
        """
        await self._database.write(partial(save_build, build=build))
        self._builds[build.name] = build

    async def save_or_note(self, build: Build) -> None:
        """Record a build as it is now; if the disk is full, only those who ask until the daemon ends are told."""
        self._builds[build.name] = build
        with suppress(StorageFullError):
            await self.save(build)

    async def forget(self, name: BuildName) -> None:
        """Forget a build.

        Raises:
            StorageFullError: it is still known.
        """
        await self._database.write(partial(remove_build, name=name), is_urgent=True)
        self._builds.pop(name, None)
