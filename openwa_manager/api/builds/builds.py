"""Installs, lists, checks and removes builds, and moves sessions to one; for keys that are for every session."""

import asyncio
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from aiohttp import web

from openwa_manager.api.access.records import name_in_record
from openwa_manager.api.builds.models import (
    BuildCheckIn,
    BuildCheckOut,
    BuildChecksOut,
    BuildIn,
    BuildOut,
    BuildsOut,
    InstallProgressOut,
    MoveOut,
    RolloutIn,
    RolloutOut,
)
from openwa_manager.api.errors import ForbiddenError
from openwa_manager.api.requests import Nothing
from openwa_manager.api.responses import timestamp
from openwa_manager.api.routing import Call, Route, json_answer, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.builds.builds import (
    HOME_BUILD,
    Build,
    BuildCheck,
    BuildName,
    BuildState,
    CheckResult,
    FolderSource,
    GitSource,
    Source,
    build_name,
    folder_source,
    git_source,
    name_of_ref,
)
from openwa_manager.domain.builds.rollouts import Rollout, build_of
from openwa_manager.domain.errors import BuildNotFoundError, ConflictError, InvalidInputError
from openwa_manager.domain.session.session import Session
from openwa_manager.domain.times import iso8601
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.builds.contract import check_build, check_version, missing_in, version_in
from openwa_manager.engines.program import ProgramValues
from openwa_manager.services.builds.catalog import BuildCatalog
from openwa_manager.services.builds.installer import Installer
from openwa_manager.services.builds.removal import BuildRemoval
from openwa_manager.services.builds.rollouts import Rollouts
from openwa_manager.services.sessions.directory import SessionDirectory

_ONE, _ROLLOUTS = "/v1/builds/{build}", "/v1/builds/rollouts"
_ONE_ROLLOUT = f"{_ROLLOUTS}/{{rollout_id}}"


class _Use(TypedDict):
    """By whom a build is used."""

    session_count: int
    pinned_by: Sequence[str]
    is_default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildDependencies:
    """What the routes of builds use; `repository` is where released versions come from, by their tags."""

    catalog: BuildCatalog
    installer: Installer
    rollouts: Rollouts
    removal: BuildRemoval
    programs: ProgramValues
    repository: str


class BuildRoutes:
    """`/v1/builds…`."""

    def __init__(self, dependencies: BuildDependencies, sessions: SessionDirectory) -> None:
        self._builds = dependencies
        self._sessions = sessions

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        moved: Mapping[int, tuple[type[RolloutOut], ...]] = {202: (RolloutOut,), 404: (), 409: (), 507: ()}
        return (
            route("GET /v1/builds", Action.READ_BUILDS, self.list_all, Nothing, {200: (BuildsOut,)}),
            route(
                "POST /v1/builds",
                Action.INSTALL_BUILD,
                self.install,
                BuildIn,
                {202: (BuildOut,), 409: (), 507: ()},
            ),
            route("POST /v1/builds/check", Action.READ_BUILDS, self.check, BuildCheckIn, {200: (BuildChecksOut,)}),
            route(f"POST {_ROLLOUTS}", Action.USE_BUILD, self.roll_out, RolloutIn, {**moved, 404: ()}),
            route(f"GET {_ONE_ROLLOUT}", Action.READ_BUILDS, self.show_rollout, Nothing, {200: (RolloutOut,)}),
            route(f"DELETE {_ONE_ROLLOUT}", Action.ROLL_BACK_BUILD, self.call_off, Nothing, moved),
            route(f"GET {_ONE}", Action.READ_BUILDS, self.show, Nothing, {200: (BuildOut,)}),
            route(f"DELETE {_ONE}", Action.REMOVE_BUILD, self.remove, Nothing, {204: (None,), 409: (), 507: ()}),
        )

    async def list_all(self, call: Call[Nothing]) -> web.Response:
        """List the builds, which one is the default, and the newest roll-out."""
        _require_all(call.caller)
        catalog, sessions = self._builds.catalog, list(self._sessions.iterate())
        newest = self._builds.rollouts.newest()
        answer = BuildsOut(
            builds=[await self._home_out(sessions), *(self._out(each, sessions) for each in catalog)],
            default=catalog.default.name,
            former=catalog.default.former,
            rollout=None if newest is None else _rollout_out(newest),
        )
        return json_answer(answer)

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Show a build, and check whether its engines can be run here now."""
        _require_all(call.caller)
        name, sessions = _name_in(call.request), list(self._sessions.iterate())
        catalog = self._builds.catalog
        shown = await self._home_out(sessions) if name == HOME_BUILD else self._out(catalog.get(name), sessions)
        if shown.state is BuildState.READY or name == HOME_BUILD:
            checks = await check_build(catalog.folder_of(name), self._builds.programs)
            shown = shown.model_copy(update={"checks": [_check_out(each) for each in checks]})
        return json_answer(shown)

    async def check(self, call: Call[BuildCheckIn]) -> web.Response:
        """Check a folder of this host, or a version by its number, of which no build is installed; nothing is kept."""
        _require_all(call.caller)
        match (call.arguments.path, call.arguments.version):
            case (str(path), None):
                checks = await check_build(folder_source(path).path, self._builds.programs)
            case (None, str(version)):
                checks = check_version(version)
            case _:
                raise InvalidInputError("path", "give one of path and version")
        return json_answer(BuildChecksOut(checks=[_check_out(each) for each in checks]))

    async def install(self, call: Call[BuildIn]) -> web.Response:
        """Begin to install a build; `GET` tells how far it is. No session is touched by it."""
        _require_all(call.caller)
        source, default_name = await self._source_of(call.arguments)
        name = build_name(call.arguments.name or default_name, "name")
        name_in_record(call.request, target=name, detail={"source": source.shown[:200]})
        build = await self._builds.installer.install(name, source)
        return json_answer(self._out(build, ()), 202)

    async def _source_of(self, wanted: BuildIn) -> tuple[Source, str]:
        """Return where the build comes from, and its name unless another is given.

        Raises:
            InvalidInputError: what is given is not one of the three, or names nothing that could be installed.
        """
        match (wanted.version, wanted.path, wanted.git):
            case (str(version), None, None):
                return GitSource(self._builds.repository, f"v{version}"), version
            case (None, None, str(git)):
                source = git_source(git)
                return source, name_of_ref(source.ref)
            case (None, str(path), None):
                return await self._folder(folder_source(path))
            case _:
                raise InvalidInputError("version", "give one of version, path and git")

    async def _folder(self, source: FolderSource) -> tuple[Source, str]:
        path = source.path
        builds = await asyncio.to_thread(os.path.realpath, self._builds.catalog.folder_of(BuildName("x")).parent)
        real = Path(await asyncio.to_thread(os.path.realpath, path))
        if Path(builds).is_relative_to(real) or real.is_relative_to(builds):
            raise InvalidInputError("path", "holds the folder of builds, or lies in it")
        version = await asyncio.to_thread(version_in, path)
        if version is None:
            raise InvalidInputError("path", f"there is no package.json with a version in {path}")
        return source, version

    async def remove(self, call: Call[Nothing]) -> web.Response:
        """Remove a build that nothing needs; an installation under way is given up."""
        _require_all(call.caller)
        name = _name_in(call.request)
        name_in_record(call.request, target=name)
        if name == HOME_BUILD:
            raise ConflictError(f"{name} is where the setting `openwa_home` points to: it is not ours to remove")
        await self._builds.removal.remove(name)
        return web.Response(status=204)

    async def roll_out(self, call: Call[RolloutIn]) -> web.Response:
        """Begin to move sessions to a build, one after the other; the first that is not well takes all back."""
        _require_all(call.caller)
        wanted = call.arguments
        name = BuildName(wanted.version)
        name_in_record(call.request, target=name, detail={"sessions": ", ".join(wanted.sessions or ())[:200] or "all"})
        self._builds.catalog.require_usable(name)
        checks = await check_build(self._builds.catalog.folder_of(name), self._builds.programs)
        if failed := [each.detail for each in checks if each.result is CheckResult.FAILED]:
            raise ConflictError(f"the build {name} cannot be run here: {'; '.join(failed)}")
        return json_answer(_rollout_out(await self._builds.rollouts.start(name, wanted.sessions, wanted.canary)), 202)

    async def show_rollout(self, call: Call[Nothing]) -> web.Response:
        """Show a roll-out, with each of its sessions."""
        _require_all(call.caller)
        return json_answer(_rollout_out(self._builds.rollouts.get(call.request.match_info["rollout_id"])))

    async def call_off(self, call: Call[Nothing]) -> web.Response:
        """Stop a roll-out: the sessions that it has moved go back to what they ran before."""
        _require_all(call.caller)
        rollout_id = self._builds.rollouts.get(call.request.match_info["rollout_id"]).rollout_id
        name_in_record(call.request, target=rollout_id)
        return json_answer(_rollout_out(await self._builds.rollouts.cancel(rollout_id)), 202)

    async def _home_out(self, sessions: Sequence[Session]) -> BuildOut:
        """Return the build of the setting, as it lies there now: nobody tells us when it changes."""
        folder = self._builds.catalog.folder_of(HOME_BUILD)
        missing = await asyncio.to_thread(missing_in, folder)
        return BuildOut(
            version=HOME_BUILD,
            state=BuildState.READY if missing is None else BuildState.FAILED,
            openwa_version=await asyncio.to_thread(version_in, folder),
            source=str(folder),
            error=missing,
            warnings=(),
            progress=None,
            size_bytes=None,
            **self._use_of(HOME_BUILD, sessions),
            created_at=None,
            installed_at=None,
        )

    def _out(self, build: Build, sessions: Sequence[Session]) -> BuildOut:
        progress = self._builds.installer.progress_of(build.name)
        return BuildOut(
            version=build.name,
            state=build.state,
            openwa_version=build.version,
            source=build.source,
            error=build.error,
            warnings=build.warnings,
            progress=None
            if progress is None
            else InstallProgressOut(step=progress.step, line=progress.line, since=iso8601(progress.since)),
            size_bytes=build.size_bytes,
            **self._use_of(build.name, sessions),
            created_at=iso8601(build.created_at),
            installed_at=timestamp(build.installed_at),
        )

    def _use_of(self, name: BuildName, sessions: Sequence[Session]) -> _Use:
        running = Counter(build_of(each) for each in sessions)
        return {
            "session_count": running[name],
            "pinned_by": [each.session_id for each in sessions if each.spec.build == name][:100],
            "is_default": self._builds.catalog.default.name == name,
        }


def _require_all(caller: Caller) -> None:
    """Accept a caller whose key is for every session: a build is everybody's.

    Raises:
        ForbiddenError: it is not.
    """
    if not caller.scope.is_unlimited:
        raise ForbiddenError("this needs a key for every session: builds are of all")


def _name_in(request: web.Request) -> BuildName:
    """Return the build that the path names.

    Raises:
        BuildNotFoundError: no build can have that name.
    """
    text = request.match_info["build"]
    if text == HOME_BUILD:
        return HOME_BUILD
    try:
        return build_name(text)
    except InvalidInputError as error:
        raise BuildNotFoundError("there is no such build; GET /v1/builds lists them") from error


def _check_out(check: BuildCheck) -> BuildCheckOut:
    return BuildCheckOut(name=check.name, result=check.result, detail=check.detail)


def _rollout_out(rollout: Rollout) -> RolloutOut:
    return RolloutOut(
        id=rollout.rollout_id,
        version=rollout.build,
        former=rollout.former,
        is_default=rollout.is_default,
        canary=rollout.canary_count,
        state=rollout.state,
        detail=rollout.detail,
        sessions=[
            MoveOut(session_id=each.session_id, state=each.state, expected=each.expected, detail=each.detail)
            for each in rollout.moves
        ],
        created_at=iso8601(rollout.created_at),
        ended_at=timestamp(rollout.ended_at),
    )
