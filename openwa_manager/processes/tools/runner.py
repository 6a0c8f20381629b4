"""Runs a program that is no engine to its end, and ends with it whatever it started."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from io import FileIO
from pathlib import Path
from typing import Final

from openwa_manager.domain.isolation import Confinement
from openwa_manager.domain.ports import Clock, Target
from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, Exit, Identity, LaunchId, SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.host.program_errors import advice_on
from openwa_manager.processes import marks
from openwa_manager.processes.exits.exit_watcher import ExitWatcher
from openwa_manager.processes.reading.identity import boot_id, identity_of
from openwa_manager.processes.tools.spawning import spawn
from openwa_manager.processes.tree import TreeTerminator

#: No session can have this id, so that its lock is nobody's.
_NO_SESSION: Final = SessionId(".tool")
#: What is kept of the output: its last lines, each up to so many characters.
_LINES: Final = 40
_LINE_MAX: Final = 300
_CHUNK_BYTES: Final = 65_536
#: How much engines, and whoever else is there, come first (setpriority(2)); what is started inherits it.
_NICE: Final = 15
#: Becomes the program that follows, once there is a line to be read.
_ONCE_TOLD: Final = ("/bin/sh", "-c", 'read -r go && exec "$@"', "sh")
#: What a shell ends with that cannot execute a program, or does not find it (POSIX, Shell Command Language, 2.8.2).
_NOT_STARTED: Final = (126, 127)
#: How long it may take to read what was written before the end.
_DRAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program to be run: `tool_id` comes into the environment of all that it starts, and marks them.

    `directory` is where it works; `within_s` is how long it may take. `confinement` None forbids nothing.
    """

    tool_id: LaunchId
    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    directory: Path
    within_s: float
    confinement: Confinement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutcome:
    """How a program ended: `error` says in words what went wrong (None: it ended well), `lines` its last output."""

    error: str | None
    lines: tuple[str, ...] = ()


class ToolRunner:
    """Runs programs beside the engines: whoever ends an engine takes none of these for what that left behind."""

    def __init__(self, exits: ExitWatcher, terminator: TreeTerminator, clock: Clock) -> None:
        self._exits = exits
        self._terminator = terminator
        self._clock = clock

    async def run(self, tool: Tool, heard: Callable[[str], None] = lambda _: None) -> ToolOutcome:
        """Return how the program ended; nothing that it started lives on then, also when the caller is cancelled.

        `heard` is called with each line of its output.
        """
        try:
            reading, writing = os.pipe()
        except OSError as error:
            return _not_started(tool, error)
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            try:
                identity = self._start(tool, writing)
            except OSError as error:
                return _not_started(tool, error)
            finally:
                os.close(writing)  # so that the pipe ends with the last process that writes to it
            return await self._follow(tool, identity, pipe, _Output(heard))

    async def sweep(self, tool_id: LaunchId, directory: Path) -> int:
        """Kill what an earlier daemon left running of a program; return how many processes that were."""
        target = Target(session_id=_NO_SESSION, launch_id=tool_id, directory=directory, identity=None)
        return await self._terminator.sweep(target, is_urgent=True)

    def _start(self, tool: Tool, writing: int) -> Identity:
        """Start the program; it does nothing before it is marked, so that whatever it starts is marked as well."""
        env = {**tool.env, LAUNCH_ID_VARIABLE: tool.tool_id}
        held, going = os.pipe()
        try:
            pid = spawn(replace(tool, env=env, argv=(*_ONCE_TOLD, *tool.argv)), writing, input_fd=held)
            with suppress(OSError):  # it is gone already
                os.setpriority(os.PRIO_PROCESS, pid, _NICE)
            marks.put(pid, tool.tool_id)
            os.write(going, b"\n")
        finally:
            os.close(held)
            os.close(going)
        identity = identity_of(pid) or Identity(boot_id=boot_id(), pid=pid, started=0)
        self._exits.watch(identity)
        return identity

    async def _follow(self, tool: Tool, identity: Identity, pipe: FileIO, output: "_Output") -> ToolOutcome:
        ended: Exit | None = None
        async with asyncio.TaskGroup() as tasks:
            lines = tasks.create_task(output.read(pipe))
            try:
                ended = await self._end_of(identity, tool.within_s)
            finally:
                target = Target(
                    session_id=_NO_SESSION, launch_id=tool.tool_id, directory=tool.directory, identity=identity
                )
                if ended is None:
                    await self._terminator.end(target, 0.0)
                await self._terminator.sweep(target, is_urgent=True)
                await asyncio.wait({lines}, timeout=_DRAIN_S)
                lines.cancel()
        return ToolOutcome(error=_error_of(ended, tool), lines=tuple(output.lines))

    async def _end_of(self, identity: Identity, within_s: float) -> Exit | None:
        if not await self._exits.wait_all({identity}, within_s):
            return None
        return await self._exits.wait(identity)


def _not_started(tool: Tool, error: OSError) -> ToolOutcome:
    advice = advice_on(error.errno, tool.argv[0]) or os.strerror(error.errno or 0)
    return ToolOutcome(error=f"{tool.argv[0]} could not be started: {advice}")


def _error_of(ended: Exit | None, tool: Tool) -> str | None:
    name = Path(tool.argv[0]).name
    if ended is None:
        return f"{name} was ended, for it had not finished within {tool.within_s:g} s"
    if ended.signal is not None:
        return f"{name} was ended by {signal.Signals(ended.signal).name}"
    if ended.exit_code in _NOT_STARTED:
        return f"{name} could not be started"
    return None if ended.exit_code == 0 else f"{name} ended with exit code {ended.exit_code}"


class _Output:
    """The last lines of a program's output; what is not read any more ends the program."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._rest = b""
        self.lines: deque[str] = deque(maxlen=_LINES)

    async def read(self, pipe: FileIO) -> None:
        """Read until nobody can write any more."""
        reader = asyncio.StreamReader(limit=_CHUNK_BYTES)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                self._take(chunk)
        finally:
            self._take(b"\n")
            transport.close()

    def _take(self, chunk: bytes) -> None:
        *whole, self._rest = (self._rest + chunk).replace(b"\r", b"\n").split(b"\n")
        self._rest = self._rest[: 4 * _LINE_MAX]
        for line in whole:
            if text := line.decode(errors="replace").strip()[:_LINE_MAX]:
                self.lines.append(text)
                self._heard(text)
