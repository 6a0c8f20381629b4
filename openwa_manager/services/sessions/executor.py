"""Carries out what a supervisor decided; what comes of it goes back into its mailbox as a stimulus."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import assert_never

import structlog

from openwa_manager.domain.errors import (
    EngineError,
    FilesStuckError,
    LaunchFailedError,
    OwnedElsewhereError,
    SessionNotFoundError,
    StorageFullError,
)
from openwa_manager.domain.ports import KeepsCredentials, KeepsData, Target
from openwa_manager.domain.session.commands import (
    AwaitProgram,
    BringUp,
    CheckCredentials,
    Command,
    Dequeue,
    End,
    Enqueue,
    Forget,
    ForgetCredentials,
    KeepCredentials,
    Observe,
    RemoveQr,
    Spawn,
    Sweep,
    WatchExit,
)
from openwa_manager.domain.session.reasons import NotRemoved, ReasonCode
from openwa_manager.domain.session.session import Identity, Launch, LaunchId, ProcessState, Session
from openwa_manager.domain.session.stimuli import (
    AccountUnlinked,
    BringUpRefused,
    CredentialsSetAside,
    DataInspected,
    DirectoryRemoved,
    EngineEnded,
    EngineFaulted,
    EngineReady,
    LaunchPostponed,
    Observation,
    ProcessExited,
    ProgramFound,
    RemovalHindered,
)
from openwa_manager.processes.host_limits import limit_of
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.directory_check import end_unknown
from openwa_manager.services.starting.launching import Launching, launch_failure
from openwa_manager.services.starting.start_ticket import Listener, StartTicket

_log = structlog.get_logger()

#: What Node writes to the log of an engine that cannot listen.
_PORT_TAKEN = "EADDRINUSE"
#: How long to wait before the next try at a launch for which the host had run out of something.
_LAUNCH_RETRY_S = 1.0
#: How often it is looked whether a program that was missing is there.
_PROGRAM_LOOK_S = 5.0
_RETRY_FIRST_S, _RETRY_MAX_S = 0.5, 15.0
#: How often it is looked whether somebody else's engine has left a directory that is to be removed.
_OWNED_RETRY_S = 2.0


class Executor:
    """Acts for one supervisor: what only watches a launch ends with that launch, everything else is finished.

    `current` returns the session as it is when asked; `ticket` is its place at the start gate.
    """

    def __init__(self, dependencies: Dependencies, listener: Listener, current: Callable[[], Session]) -> None:
        self._dependencies = dependencies
        self._listener = listener
        self._current = current
        self._files = dependencies.files_of(current().session_id)
        self.ticket = StartTicket(current, dependencies, listener)
        self._watches: set[asyncio.Task[None]] = set()
        self._observing = False
        self._ending: str | None = None
        self._sweeping = asyncio.Lock()
        self._launching = Launching(dependencies, current, listener.tell, self._files)

    def run(self, commands: Sequence[Command], tasks: asyncio.TaskGroup) -> None:
        """Begin to carry out commands that were decided together."""
        is_launch = any(isinstance(each, Spawn) for each in commands)
        for command in commands:
            if not (is_launch and isinstance(command, RemoveQr)):  # a launch removes any code itself
                self._begin(command, tasks)

    def _begin(self, command: Command, tasks: asyncio.TaskGroup) -> None:
        match command:
            case Enqueue(cause=cause):
                self.ticket.queue(cause, self._current().launch_count + 1, tasks)
            case Dequeue():
                self.ticket.cancel()
            case WatchExit() | BringUp() | Observe() | CheckCredentials():
                self._begin_watching(command, tasks)
            case AwaitProgram():
                self._watch(self._await_program(), tasks)
            case Sweep():
                tasks.create_task(self._do(command))
                self._watch(self._launching.look_ahead(tasks), tasks)
            case _:
                tasks.create_task(self._do(command))

    async def _do(self, command: Spawn | End | Sweep | Forget | RemoveQr | KeepCredentials | ForgetCredentials) -> None:
        match command:
            case RemoveQr(sha256=sha256):
                await self._remove_qr(sha256)
            case Spawn(launch=launch):
                await self._spawn(launch)
            case End(launch=launch):
                await self._end(launch)
            case Sweep(launch=launch):
                async with self._sweeping:
                    await self._sweep(launch)
            case Forget(keep_data=keep_data):
                async with self._sweeping:
                    await self._forget(keep_data=keep_data)
            case KeepCredentials() | ForgetCredentials():
                await self._update_credentials(command)
            case _:
                assert_never(command)

    def show(self, image: bytes, tasks: asyncio.TaskGroup) -> None:
        """Begin to write the code to `qr.png`, for an engine that does not write that file itself."""
        if not self._dependencies.engine_of(self._current()).capabilities.writes_qr_file:
            tasks.create_task(self._write_qr(image))

    async def _write_qr(self, image: bytes) -> None:
        try:
            await self._files.write_qr(image)
        except (FilesStuckError, OSError) as error:
            _log.warning("qr_file_not_written", session_id=self._current().session_id, error=str(error))

    async def _remove_qr(self, sha256: str | None) -> None:
        try:
            await self._files.remove_qr(sha256)
        except (FilesStuckError, OSError) as error:
            _log.warning("qr_file_not_removed", session_id=self._current().session_id, error=str(error))

    def prepare(self, commands: Iterable[Command], tasks: asyncio.TaskGroup) -> None:
        """Begin what a launch waits for and what may be done before it is recorded."""
        for command in commands:
            if isinstance(command, Spawn):
                self._launching.prepare(command.launch, tasks)

    @property
    def is_held_up(self) -> bool:
        """Tell whether it may take long until the engine that is to start is launched."""
        return self.ticket.is_waiting

    def is_offering(self, launch: Launch) -> bool:
        """Tell whether this launch may begin; an offer may have been taken back since it was made."""
        return self.ticket.is_offering(launch)

    def follow(self, before: Session, session: Session) -> None:
        """Give up what no longer matters, now that the session has changed."""
        if _process_of(before) != _process_of(session) or session.process is ProcessState.STOPPING:
            self._stop_watching()
        self.ticket.follow(session)

    def close(self) -> None:
        """Stop watching, and leave the start gate."""
        self._stop_watching()
        self.ticket.cancel()

    def _stop_watching(self) -> None:
        """Stop watching a launch that is over."""
        for task in self._watches:
            task.cancel()
        self._watches.clear()
        self._observing = False

    @property
    def _directory(self) -> Path:
        return self._dependencies.directory(self._current().session_id)

    def _begin_watching(
        self, command: WatchExit | BringUp | Observe | CheckCredentials, tasks: asyncio.TaskGroup
    ) -> None:
        if not self._is_current(command.launch) or (isinstance(command, Observe) and self._observing):
            return
        match command:
            case WatchExit():
                watch = self._watch_exit(command)
            case CheckCredentials(launch=launch):
                watch = self._check_credentials(launch)
            case BringUp(launch=launch):
                watch = self._bring_up(launch)
            case Observe(launch=launch):
                self._observing = True
                watch = self._observe(launch)
        self._watch(watch, tasks)

    def _watch(self, watch: Coroutine[None, None, None], tasks: asyncio.TaskGroup) -> None:
        """Let this go on until the launch, the pause before the next one or the session is over."""
        task = tasks.create_task(watch)
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    def _is_current(self, launch: Launch) -> bool:
        session = self._current()
        is_stopping = session.process is ProcessState.STOPPING
        return session.launch is not None and session.launch.launch_id == launch.launch_id and not is_stopping

    def _target(self, launch: Launch) -> Target:
        return Target(
            session_id=self._current().session_id,
            launch_id=launch.launch_id,
            directory=self._directory,
            identity=launch.identity,
        )

    async def _spawn(self, launch: Launch) -> None:
        """Start the engine; while the host has run out of something, say so and try again until the deadline for it."""
        clock = self._dependencies.clock
        while True:
            try:
                return self._listener.tell(*await self._launching.find_or_launch(launch))
            except (LaunchFailedError, OwnedElsewhereError, FilesStuckError, OSError) as error:
                if isinstance(error, OwnedElsewhereError) and self._sweeping.locked():
                    async with self._sweeping:  # what was found may be what is being ended now
                        continue
                limit = limit_of(error)
                if limit is None or not self._is_current(launch):
                    self._listener.tell(launch_failure(launch, error))
                    return await self._remove_qr(None)
                self._listener.tell(LaunchPostponed(launch_id=launch.launch_id, limit=limit))
                _log.warning("launch_postponed", session_id=self._current().session_id, error=str(error))
                await self._remove_qr(None)  # nobody shows that code any more
            await clock.sleep_until(clock.now().boot_s + _LAUNCH_RETRY_S)

    async def _await_program(self) -> None:
        """Report once the program that was missing is there; nobody waits for it any more once the session goes on."""
        clock, count = self._dependencies.clock, self._current().launch_count
        while True:
            await clock.sleep_until(clock.now().boot_s + _PROGRAM_LOOK_S)
            session = self._current()
            if session.process is not ProcessState.FAILED or session.launch_count != count:
                return None
            with suppress(LaunchFailedError):
                await self._dependencies.require_program_of(session)
                return self._listener.tell(ProgramFound())

    async def _update_credentials(self, command: KeepCredentials | ForgetCredentials) -> None:
        session = self._current()
        engine = self._dependencies.engine_of(session)
        if not isinstance(engine, KeepsCredentials):
            return
        update = engine.keep_credentials if isinstance(command, KeepCredentials) else engine.forget_credentials
        try:
            await update(session, self._directory)
        except (FilesStuckError, OSError) as error:
            _log.warning("credentials_not_kept", session_id=session.session_id, error=str(error))

    async def _check_credentials(self, launch: Launch) -> None:
        session = self._current()
        engine = self._dependencies.engine_of(session)
        if not isinstance(engine, KeepsCredentials):
            return
        try:
            findings = await engine.examine_credentials(session, self._directory)
        except (FilesStuckError, OSError) as error:
            _log.warning("credentials_not_checked", session_id=session.session_id, error=str(error))
            return
        if findings.can_be_restored:
            self._listener.tell(EngineFaulted(launch_id=launch.launch_id, code=ReasonCode.CREDENTIALS_RESTORED))
        elif findings.set_aside is not None:
            self._listener.tell(CredentialsSetAside(launch_id=launch.launch_id, directory=findings.set_aside))

    async def _watch_exit(self, command: WatchExit) -> None:
        await self._files.watch_log()
        ended = await self._dependencies.launcher.wait(command.identity)
        tail = await self._files.read_log_end()
        self._listener.tell(
            ProcessExited(
                launch_id=command.launch.launch_id, exit=ended, log_tail=tail, port_was_taken=_PORT_TAKEN in tail
            )
        )

    async def _bring_up(self, launch: Launch) -> None:
        """Try until it works; the boot deadline, or the end of the launch, ends it."""
        session, clock, pause_s = self._current(), self._dependencies.clock, _RETRY_FIRST_S
        while True:
            try:
                await self._dependencies.engine_of(session).bring_up(session, launch, self._hear)
                return await self._inspect_data(launch)
            except EngineError as error:
                _log.warning("bring_up_failed", session_id=session.session_id, error=str(error), retry_in_s=pause_s)
                self._listener.tell(BringUpRefused(launch_id=launch.launch_id, detail=str(error)))
            await clock.sleep_until(clock.now().boot_s + pause_s)
            pause_s = min(_RETRY_MAX_S, pause_s * 2)

    async def _inspect_data(self, launch: Launch) -> None:
        engine = self._dependencies.engine_of(self._current())
        if isinstance(engine, KeepsData):
            with suppress(FilesStuckError, OSError):  # the probes look again
                data = await engine.inspect_data(self._current(), self._directory)
                self._listener.tell(DataInspected(launch_id=launch.launch_id, data=data))

    def _hear(self, observation: Observation) -> None:
        """Hand on what a bring-up reports.

        Raises:
            EngineError: the engine calls its session by an id that is another session's.
        """
        if isinstance(observation, EngineReady) and observation.inner_id is not None:
            self._dependencies.inner_ids.claim(self._current().session_id, observation.inner_id)
        self._listener.tell(observation)

    async def _observe(self, launch: Launch) -> None:
        """Ask the engine how its link is; for hints that arrive meanwhile it is asked once more."""
        session = self._current()
        self._observing = False
        try:
            for observation in await self._dependencies.engine_of(session).observe(session, launch):
                self._listener.tell(observation)
        except EngineError as error:
            _log.warning("engine_not_observed", session_id=session.session_id, error=str(error))

    async def _end(self, launch: Launch) -> None:
        if self._ending == launch.launch_id:
            return
        self._ending = launch.launch_id
        session = self._current()
        is_unwanted = session.ending is not None and session.ending.cause is ReasonCode.WRONG_NUMBER
        if is_unwanted and await self._dependencies.unlink_device(session, launch):
            self._listener.tell(AccountUnlinked(launch_id=launch.launch_id))
        await self._dependencies.engine_of(session).release(session, launch)
        ended = await self._dependencies.launcher.end(self._target(launch), self._dependencies.stop_grace_s)
        await self._remove_socket(launch)
        self._listener.tell(EngineEnded(launch_id=launch.launch_id, exit=ended))

    async def _sweep(self, launch: Launch) -> None:
        session = self._current()
        count = await self._dependencies.launcher.sweep(self._target(launch))  # first: the next launch may wait for it
        await self._dependencies.engine_of(session).release(session, launch)
        await self._remove_socket(launch)
        if count:
            _log.info("remaining_processes_ended", session_id=session.session_id, launch=launch.number, count=count)

    async def _remove_socket(self, launch: Launch) -> None:
        if launch.socket is not None:
            await asyncio.to_thread(self._dependencies.sockets.remove, launch.socket)

    async def _forget(self, *, keep_data: bool) -> None:
        """Remove the directory; while that is impossible a person must act, and the log says so every time.

        Before that, with the engine dead, whatever waits for the session is settled.
        """
        clock = self._dependencies.clock
        while True:
            try:
                await end_unknown(self._dependencies, self._current().session_id)
                await self._settle_and_remove(keep_data=keep_data)
                with suppress(SessionNotFoundError):  # as it then is
                    await self._listener.hear((DirectoryRemoved(),))
                break
            except OwnedElsewhereError as error:
                hindered = RemovalHindered(code=ReasonCode.OWNED_ELSEWHERE, facts=error.owner)
            except (FilesStuckError, StorageFullError, OSError) as error:
                hindered = RemovalHindered(code=ReasonCode.REQUESTED, facts=NotRemoved(detail=str(error)))
            retry_s = _OWNED_RETRY_S if hindered.code is ReasonCode.OWNED_ELSEWHERE else _RETRY_MAX_S
            refusal = hindered.facts.sentence
            _log.error("directory_not_removed", path=str(self._directory), error=refusal, retry_in_s=retry_s)
            self._listener.tell(hindered)
            await clock.sleep_until(clock.now().boot_s + retry_s)

    async def _settle_and_remove(self, *, keep_data: bool) -> None:
        settle = partial(self._dependencies.changes.session_ending.prepare, self._current().session_id)
        try:
            await settle()
        except StorageFullError:
            if keep_data:
                raise
            await self._files.remove_directory()  # what it takes up may be what is missing
            await settle()
        if not keep_data:
            await self._files.remove_directory()


def _process_of(session: Session) -> tuple[LaunchId, Identity | None] | None:
    """Return which launch and which process the session has; more may be recorded of them while they are watched."""
    return None if session.launch is None else (session.launch.launch_id, session.launch.identity)
