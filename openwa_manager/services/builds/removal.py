"""Removes builds that nobody runs, or may have to go back to."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from openwa_manager.domain.builds.builds import Build, BuildName, BuildState
from openwa_manager.domain.builds.rollouts import Rollout
from openwa_manager.domain.errors import ConflictError
from openwa_manager.domain.session.session import Session
from openwa_manager.host.builds.trees import remove_tree, take_away
from openwa_manager.services.builds.catalog import BuildCatalog
from openwa_manager.services.builds.installer import Installer
from openwa_manager.services.delivery.background import BackgroundTasks


class BuildRemoval:
    """Knows who needs a build; `active` returns the roll-out that is under way (None: none is)."""

    def __init__(
        self,
        catalog: BuildCatalog,
        installer: Installer,
        sessions: Callable[[], Iterable[Session]],
        active: Callable[[], Rollout | None],
        background: BackgroundTasks,
    ) -> None:
        self._catalog = catalog
        self._installer = installer
        self._sessions = sessions
        self._active = active
        self._background = background

    async def remove(self, name: BuildName) -> None:
        """Remove a build; the installation of one that is not ready is given up.

        Raises:
            BuildNotFoundError: there is none.
            ConflictError: it is in use; the message says by whom.
            StorageFullError: it could not be forgotten; nothing happened.
        """
        build = self._catalog.get(name)
        if build.state is not BuildState.READY:
            await self._installer.give_up(name)
            return
        await self._background.finish(partial(self._remove, build))

    async def _remove(self, build: Build) -> None:
        name, folder = build.name, self._catalog.folder_of(build.name)
        with self._catalog.leaving(name):  # before who uses it is looked for: from here on nobody can choose it
            if (user := self._user_of(name)) is not None:
                raise ConflictError(f"the build {name} is in use: {user}")
            await self._catalog.forget(name)
            await asyncio.to_thread(_remove, folder, _hidden(folder, build))

    def _user_of(self, name: BuildName) -> str | None:
        rollout = self._active()
        if name == self._catalog.default.name:
            return "it is the default"
        if name == self._catalog.default.former:
            return "it is what a rollback goes back to"
        if rollout is not None and name in (rollout.build, rollout.former):
            return "a roll-out is under way"
        for session in self._sessions():
            if session.spec.build == name:
                return f"{session.session_id} pins it"
            if session.launch is not None and session.launch.build == name:
                return f"{session.session_id} runs it"
        return None


def _hidden(folder: Path, build: Build) -> Path:
    return folder.with_name(f".removed-{build.install_id}")


def _remove(folder: Path, hidden: Path) -> None:
    if folder.is_dir():
        take_away(folder, hidden)
        remove_tree(hidden)
