"""Starts engines, and answers whatever else the services ask about their processes."""

import asyncio
import errno
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from openwa_manager.domain.errors import LaunchFailedError, OwnedElsewhereError
from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.ports import Clock, FoundEngine, LaunchPlan, Target
from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, Exit, Identity, LaunchId, SessionId
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.foreign.opening import opened_directory
from openwa_manager.host.foreign.writing import open_for_append
from openwa_manager.host.program_errors import advice_on
from openwa_manager.processes import marks
from openwa_manager.processes.exits import SWEEP_S
from openwa_manager.processes.exits.exit_watcher import ExitWatcher, system_source
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.profiles import clear_stale_locks
from openwa_manager.processes.reading.identity import boot_id, environment_of, identity_of, is_alive
from openwa_manager.processes.reading.occupants import (
    Recognizes,
    find_holder,
    find_own,
    occupants_among,
    owned_by,
    owner_of,
)
from openwa_manager.processes.reading.ownership import holds_lock
from openwa_manager.processes.reading.places import ProcessPlaces, find_about, read_places, read_places_of
from openwa_manager.processes.reading.table import CoalescedRead, read_tagged_processes
from openwa_manager.processes.sockets import socket_directory
from openwa_manager.processes.tools.runner import ToolRunner
from openwa_manager.processes.tools.spawning import spawn
from openwa_manager.processes.tree import MembersOf, TreeTerminator

#: How long a launch waits for a lock that the leftovers of an earlier one may still hold, and how often it looks.
_OWNED_RETRY_S = 5.0
_OWNED_LOOK_S = 0.25
#: Stands for the launch where none is known: no process carries it.
_NO_LAUNCH = LaunchId("")


class HostLauncher:
    """The Launcher of this host, for the running event loop.

    `members_of` tells which processes the last measurements saw in an engine's tree; all watched processes are checked
    every `sweep_s` seconds, also where the system announces exits. `recognizes` tells whether a process is an engine.
    """

    def __init__(
        self,
        locks: SessionLocks,
        clock: Clock,
        files: EngineFiles,
        members_of: MembersOf = lambda _: frozenset(),
        sweep_s: float = SWEEP_S,
        recognizes: Recognizes = lambda _, __: False,
    ) -> None:
        self._clock = clock
        self._files = files
        self._locks = locks
        self._recognizes = recognizes
        self._exits = ExitWatcher(clock, system_source(), sweep_s)
        self._places = CoalescedRead(self._read_places)
        self._terminator = TreeTerminator(self._exits, clock, members_of, locks)
        #: Of each session the launch that we were told to end last: what is left of it may be killed.
        self._over: dict[SessionId, LaunchId] = {}
        #: Of each engine that was started here and has not been reaped its session: its number is nobody else's yet.
        self._started: dict[int, SessionId] = {}

    @property
    def tools(self) -> ToolRunner:
        """Return what runs programs that are no engines, beside these."""
        return ToolRunner(self._exits, self._terminator, self._clock)

    async def run(self) -> None:
        """Check the watched processes now and then, should the system fail to announce an exit, until cancelled."""
        await self._exits.run()

    def close(self) -> None:
        """Watch nothing any more; the engines live on."""
        self._exits.close()

    async def launch(self, plan: LaunchPlan, prepare: Callable[[], None] = lambda: None) -> Identity:
        """Start the engine holding its session's lock; blocks the loop for about half a millisecond.

        `prepare` makes the session's files ready, where a disk that hangs holds up nobody else.

        Raises:
            LaunchFailedError: the program is missing or cannot be executed.
            OwnedElsewhereError: another live process holds the session's lock.
            FilesStuckError: the disk of its directory or its log does not answer.
        """
        await self._terminator.wait_for_sweep(plan.session_id)
        give_up_s = self._clock.now().boot_s + _OWNED_RETRY_S
        open_files = partial(_open_files, plan, self._locks, prepare)
        while True:
            log_fd = await self._files.run(plan.session_id, open_files, dispose=os.close)
            try:
                return self._start(plan, log_fd)
            except OwnedElsewhereError:
                if self._clock.now().boot_s >= give_up_s:
                    await self._raise_for_holder(plan.session_id)
                    raise
            finally:
                os.close(log_fd)
            await self._require_free(plan.session_id, plan.cwd)
            await self._terminator.sweep(self._target_of_last(plan.session_id, plan.cwd), is_urgent=True)
            await self._clock.sleep_until(min(give_up_s, self._clock.now().boot_s + _OWNED_LOOK_S))

    async def find_own(self, session_id: SessionId, directory: Path) -> FoundEngine | None:
        """Return the engine that runs in this directory and is proven ours; None once none runs there.

        What is left of a launch that is over is ended first. Another session's engine that was started here is not
        looked at: it was started in its own directory. What it starts is.

        Raises:
            OwnedElsewhereError: a live process runs an engine there that is not proven ours.
        """
        over = self._over.get(session_id)
        started = [pid for pid, whose in self._started.items() if whose == session_id]
        about = find_about((*await self._places.get(), *read_places_of(started)), directory)
        occupants = await asyncio.to_thread(occupants_among, about, self._recognizes) if about else []
        left = [each for each in occupants if each.is_left_of(over)]
        others = [each for each in occupants if each not in left]
        own = await asyncio.to_thread(find_own, others, session_id, directory, self._locks) if others else None
        nameless = [each for each in others if each.is_nameless]
        strangers = [each for each in others if own is None or each.launch_id != own.launch_id]
        if strangers := [each for each in strangers if each not in nameless]:
            raise OwnedElsewhereError(strangers[0].owned_by(self._clock.now().at))
        launches = {each.launch_id for each in left if each.launch_id is not None}
        if nameless and own is None:  # beside a living engine it may be that engine's
            launches.add(_NO_LAUNCH)
        for launch_id in launches:
            target = Target(session_id=session_id, launch_id=launch_id, directory=directory, identity=None)
            seen = {each.identity for each in left if each.launch_id == launch_id}
            await self._terminator.sweep(target, is_urgent=True, seen=seen)
        self._over.pop(session_id, None)
        return own

    def _read_places(self) -> list[ProcessPlaces]:
        return read_places(frozenset(self._started))

    async def _require_free(self, session_id: SessionId, directory: Path) -> None:
        own = await self.find_own(session_id, directory)
        if own is not None:
            raise OwnedElsewhereError(owner_of(own, self._clock.now().at))

    def _target_of_last(self, session_id: SessionId, directory: Path) -> Target:
        """Return what is left of the launch that took the session's lock last; no engine is among it."""
        last = self._locks.launch_of(session_id) or _NO_LAUNCH
        return Target(session_id=session_id, launch_id=last, directory=directory, identity=None)

    async def _raise_for_holder(self, session_id: SessionId) -> None:
        """Name the process that holds the session's lock, if it can be seen."""
        holder = await asyncio.to_thread(find_holder, self._locks.places_of(session_id))
        if holder is not None:
            raise OwnedElsewhereError(owned_by(holder, self._clock.now().at))

    def is_alive(self, identity: Identity) -> bool:
        """Tell whether this very process lives; a zombie is dead."""
        return is_alive(identity)

    def holds_lock(self, session_id: SessionId, launch_id: LaunchId, identity: Identity) -> bool:
        """Tell whether somebody holds the session's lock, or this process its launch's, whose file may be gone."""
        return self._locks.is_held(session_id) or holds_lock(identity.pid, session_id, launch_id, self._locks)

    async def wait(self, identity: Identity) -> Exit:
        """Return how the process ended, at once if it already has; works for children and adopted processes."""
        return await self._exits.wait(identity)

    async def end(self, target: Target, grace_s: float) -> Exit:
        """End the engine and every descendant; return only once all are proven dead."""
        self._over[target.session_id] = target.launch_id
        return await self._terminator.end(target, grace_s)

    async def sweep(self, target: Target) -> int:
        """Kill what is left of this launch after its engine died; return how many processes that were."""
        self._over[target.session_id] = target.launch_id
        return await self._terminator.sweep(target)

    def find(self, launch_id: LaunchId) -> Identity | None:
        """Return the oldest live process of this launch; one whose environment names it goes before one with a lock."""
        found = [process.identity for process in read_tagged_processes().of_launch(launch_id)]
        named = [each for each in found if environment_of(each).get(LAUNCH_ID_VARIABLE) == launch_id]
        return min(named or found, key=lambda each: (each.started, each.pid), default=None)

    def _start(self, plan: LaunchPlan, log_fd: int) -> Identity:
        try:
            with self._locks.hold(plan.session_id, plan.launch_id) as lock_fd, socket_directory(plan.socket):
                pid = spawn(plan, log_fd, (lock_fd,))
        except OSError as error:
            raise LaunchFailedError(_explain(plan, error)) from error
        marks.put(pid, plan.launch_id)
        identity = _identity_of_child(plan, pid)
        self._started[pid] = plan.session_id
        self._exits.watch(identity).add_done_callback(lambda _: self._started.pop(pid, None))
        return identity


def _open_files(plan: LaunchPlan, locks: SessionLocks, prepare: Callable[[], None]) -> int:
    """Return a descriptor of the engine's log, once its directory is prepared and fit for a launch; blocks.

    Raises:
        LaunchFailedError: there is no such directory, or what lies there cannot be used.
    """
    directory = of_session(plan.cwd)
    prepare()
    try:
        with opened_directory(directory):
            if not locks.is_held(plan.session_id):  # whoever does may be out of our sight, in another container
                clear_stale_locks(directory)
            return open_for_append(plan.log_path)
    except OSError as error:
        if error.filename == directory.name and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            detail = f"the session's directory {plan.cwd} is missing or a link; restore or create it"
            raise LaunchFailedError(detail) from error
        raise LaunchFailedError(_explain(plan, error)) from error


def _identity_of_child(plan: LaunchPlan, pid: int) -> Identity:
    """Return the identity of a child that nobody has reaped yet, so that the pid is still its own."""
    try:
        # Where the system hides zombies, one that died at once gets the start 0, which no live process has.
        return identity_of(pid) or Identity(boot_id=boot_id(), pid=pid, started=0)
    except OSError as error:  # too many open files: an engine we could not recognise later must not live
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise LaunchFailedError(_explain(plan, error)) from error


def _explain(plan: LaunchPlan, error: OSError) -> str:
    advice = advice_on(error.errno, plan.argv[0])
    if advice is not None and error.filename in (plan.argv[0], str(plan.cwd)):
        return advice
    about = f" ({error.filename})" if error.filename else ""
    return f"{plan.argv[0]} could not be started: {os.strerror(error.errno or 0)}{about}"
