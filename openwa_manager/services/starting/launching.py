"""Launches a session's engine, or takes over the one of ours that runs in its directory already."""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from openwa_manager.domain.builds.builds import is_build
from openwa_manager.domain.errors import (
    EngineDataLostError,
    LaunchFailedError,
    OwnedElsewhereError,
    ProgramMissingError,
)
from openwa_manager.domain.ports import (
    FindsProgramAhead,
    FoundEngine,
    KeepsCredentials,
    KeepsData,
    LaunchPlan,
    ProvesKey,
    Tell,
)
from openwa_manager.domain.session.launch_facts import ProgramMissing
from openwa_manager.domain.session.link import is_paired
from openwa_manager.domain.session.reasons import DataLoss, DataLost, ReasonCode, Words
from openwa_manager.domain.session.session import (
    BUILD_VARIABLE,
    SECRET_VARIABLE,
    SOCKET_VARIABLE,
    Launch,
    Session,
)
from openwa_manager.domain.session.stimuli import (
    CredentialsRestored,
    EngineFound,
    EngineReady,
    Launched,
    LaunchFailed,
    Observation,
)
from openwa_manager.engines.registry import name_of
from openwa_manager.processes.reading.occupants import owner_of
from openwa_manager.processes.sockets import is_socket_of
from openwa_manager.services.changes import CodeExpected
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.directory_check import DirectoryCheck
from openwa_manager.services.starting.session_files import SessionFiles

#: A port has so many digits at most.
_PORT_DIGITS = 5


class Launching:
    """The launches of one session; `current` returns the session as it is when asked, `files` are its own."""

    def __init__(
        self, dependencies: Dependencies, current: Callable[[], Session], tell: Tell, files: SessionFiles
    ) -> None:
        self._dependencies = dependencies
        self._current = current
        self._tell = tell
        self._files = files
        self._check = DirectoryCheck(dependencies, current)

    async def look_ahead(self, tasks: asyncio.TaskGroup) -> None:
        """Look into the directory shortly before the pause before a restart is over."""
        await self._check.look_ahead(tasks)

    def prepare(self, launch: Launch, tasks: asyncio.TaskGroup) -> None:
        """Look for its program and into its directory while this launch is being recorded."""
        self._check.begin(launch.number, tasks)
        engine = self._dependencies.engine_of(self._current())
        if isinstance(engine, FindsProgramAhead):
            tasks.create_task(engine.find_program_ahead())

    async def find_or_launch(self, launch: Launch) -> Sequence[Observation]:
        """Return which process is the session's engine now: one that was there already, or one that was started.

        With it comes, to be recorded with it, that an engine is ready which is so at once.

        Raises:
            LaunchFailedError: its program or its directory is missing or does not answer; the message says what to do.
            EngineDataLostError: the engine's files are lost, and it would show a new code.
            OwnedElsewhereError: a live process runs an engine in its directory that is not proven ours.
            FilesStuckError: the disk of its directory or its log does not answer.
        """
        limit_s = self._dependencies.policy.link.boot_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                own = await self._check.find_own_now(launch.number)
                if own is not None:
                    return (await self._adopt(own, launch),)
                plan = await self._prepare(launch)
        except TimeoutError:
            raise LaunchFailedError(f"its disk, or its program's, did not answer within {limit_s:g} s") from None
        identity = await self._dependencies.launcher.launch(plan, self._files.make)
        expected = CodeExpected(session_id=plan.session_id, launch_id=launch.launch_id)
        self._dependencies.changes.code_expected.publish(expected)
        launched = Launched(launch_id=launch.launch_id, identity=identity)
        is_ready = self._dependencies.engine_of(self._current()).capabilities.is_ready_at_once
        return (launched, EngineReady(launch_id=launch.launch_id)) if is_ready else (launched,)

    async def _adopt(self, own: FoundEngine, launch: Launch) -> EngineFound:
        """Return what takes the place of `launch`, which was to be.

        Raises:
            OwnedElsewhereError: it is of another kind than the session's, or refuses the key it was started with.
        """
        session, dependencies, at = self._current(), self._dependencies, self._dependencies.clock.now().at
        found, key = launch_of(own, launch.number, at), key_of(own) or session.engine_key
        engine = dependencies.engine_of(session)
        is_ours = name_of(own.arguments, own.environment) in (None, session.spec.engine)
        if is_ours and isinstance(engine, ProvesKey):
            is_ours = await engine.takes_key(replace(session, engine_key=key), found)
        if not is_ours:
            raise OwnedElsewhereError(owner_of(own, at))
        dependencies.ports.give_back(session.session_id)
        dependencies.ports.hold(session.session_id, found.port, listens=found.socket is None)
        return EngineFound(launch_id=launch.launch_id, launch=found, engine_key=key)

    async def _prepare(self, launch: Launch) -> LaunchPlan:
        session, directory = self._current(), self._dependencies.directory(self._current().session_id)
        engine = self._dependencies.engine_of(session)
        if isinstance(engine, KeepsData) and is_paired(session) and launch.cause is not ReasonCode.REQUESTED:
            await self._require_data(engine, directory)
        if isinstance(engine, KeepsCredentials) and await engine.restore_credentials(session, directory):
            self._tell(CredentialsRestored(launch_id=launch.launch_id))
        return await engine.plan(session, launch, directory)

    async def _require_data(self, engine: KeepsData, directory: Path) -> None:
        """Let nobody find a new code by surprise, where an account was linked when the engine ran last."""
        data = await engine.inspect_data(self._current(), directory)
        if data.directory is None or data.damaged:
            loss = DataLoss.DIRECTORY_REMOVED if data.directory is None else DataLoss.DATABASE_LOST
            raise EngineDataLostError(DataLost(loss=loss).sentence)


def launch_failure(launch: Launch, error: Exception) -> LaunchFailed:
    """Return what is told of a launch that came to nothing."""
    if isinstance(error, ProgramMissingError):
        missing = ProgramMissing(text=str(error))
        return LaunchFailed(launch_id=launch.launch_id, code=ReasonCode.LAUNCH_FAILED, facts=missing)
    if isinstance(error, OwnedElsewhereError):
        return LaunchFailed(launch_id=launch.launch_id, code=ReasonCode.OWNED_ELSEWHERE, facts=error.owner)
    code = ReasonCode.ENGINE_DATA_LOST if isinstance(error, EngineDataLostError) else ReasonCode.LAUNCH_FAILED
    return LaunchFailed(launch_id=launch.launch_id, code=code, facts=Words(text=str(error)))


def launch_of(engine: FoundEngine, number: int, at: float) -> Launch:
    """Return the launch of a live engine, as its environment tells it; `number` is what it counts as from now on."""
    environment = engine.environment
    socket = Path(environment.get(SOCKET_VARIABLE, ""))
    return Launch(
        launch_id=engine.launch_id,
        number=number,
        port=_port_of(environment.get("PORT", "")),
        secret=_secret_in(environment) or secrets.token_urlsafe(32),
        cause=ReasonCode.ADOPTED,
        launched_at=at,
        socket=socket if is_socket_of(socket, engine.launch_id) else None,  # an engine may name a neighbour's
        identity=engine.identity,
        build=build if is_build(build := environment.get(BUILD_VARIABLE, "")) else None,
    )


def _secret_in(environment: Mapping[str, str]) -> str | None:
    """Return the secret of a launch; a `command` is told it under a name of its own, and 0.2 told OpenWA nothing."""
    return environment.get(SECRET_VARIABLE) or environment.get("WEBHOOK_SECRET")


def _port_of(text: str) -> int:
    """Return the port that is written there; 0 where none is."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _PORT_DIGITS else 0


def key_of(engine: FoundEngine) -> str | None:
    """Return what opens a live engine's API, as its environment tells; None where it has none."""
    return engine.environment.get("API_MASTER_KEY") or None
