"""Awaits the end of processes, of our children and of adopted ones alike."""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Protocol

import structlog

from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Exit, Identity
from openwa_manager.processes import orphans
from openwa_manager.processes.exits import SWEEP_S
from openwa_manager.processes.exits.polling import Polling
from openwa_manager.processes.reading.identity import boot_id, is_alive

_log = structlog.get_logger()

#: How many ends are remembered for those who ask late.
_REMEMBERED = 1024


class ExitSource(Protocol):
    """One system's way to learn of exits."""

    #: How often everything this source watches must be looked at, in seconds; None: it announces every exit itself.
    period_s: float | None

    def watch(self, identity: Identity, ended: Callable[[], None]) -> bool:
        """Call `ended` from the loop once the process has ended, or may have; False when it is gone already.

        Who cannot be watched is found by the check of all; it raises nothing.
        """
        ...

    def reap(self, identity: Identity) -> Exit | None:
        """Return how the dead process ended, reap it if it is ours, and watch it no more.

        None: it has not ended yet. A source that calls `ended` so early calls it again.
        """
        ...

    def close(self) -> None:
        """Watch nothing any more."""
        ...


class ExitWatcher:
    """Knows of every watched process when and how it ended. Belongs to the running event loop."""

    def __init__(self, clock: Clock, source: ExitSource, sweep_s: float = SWEEP_S) -> None:
        self._clock = clock
        self._source = source
        self._period_s = sweep_s if source.period_s is None else min(source.period_s, sweep_s)
        self._exits: dict[Identity, asyncio.Future[Exit]] = {}
        #: Of each number the process that was found under it last.
        self._by_pid: dict[int, Identity] = {}
        self._ended: deque[Identity] = deque()
        self._child_ended = asyncio.Event()

    async def run(self) -> None:
        """Check all watched processes now and then, should an announcement fail to come, until cancelled.

        Orphans that became our children are reaped as soon as they end.
        """
        with orphans.announcing(self._child_ended.set) if orphans.is_adopting() else nullcontext():
            due_s = self._clock.now().boot_s + self._period_s
            while True:
                if await self._clock.wait(self._child_ended, due_s):
                    self._child_ended.clear()
                    orphans.reap(self._look_after)
                    continue
                for identity in self.watched():
                    self._check(identity)
                due_s = self._clock.now().boot_s + self._period_s

    def watched(self) -> list[Identity]:
        """Return the processes whose end is awaited."""
        return [identity for identity, end in self._exits.items() if not end.done()]

    def has_known(self, identity: Identity) -> bool:
        """Tell whether the end of this process is awaited, or was not long ago."""
        return identity in self._exits

    def watch(self, identity: Identity) -> asyncio.Future[Exit]:
        """Return the future exit of this process, done already when it is gone; no caller may cancel it."""
        end = self._exits.get(identity)
        if end is None:
            end = self._exits[identity] = asyncio.get_running_loop().create_future()
            # Of a process that ended unwatched nothing is known.
            is_here = identity.boot_id == boot_id() and self._source.watch(identity, partial(self._reap, identity))
            if is_here:
                self._by_pid[identity.pid] = identity
            else:
                self._record_exit(identity, Exit())
        return end

    async def wait(self, identity: Identity) -> Exit:
        """Return how this process ended, at once if it already has."""
        end = self.watch(identity)
        self._check(identity)
        await asyncio.wait({end})  # which leaves it alone when the caller is cancelled
        return end.result()

    async def wait_all(self, identities: set[Identity], within_s: float) -> bool:
        """Wait until all of these have ended, for at most so long; tell whether they have."""
        ends = {identity: self.watch(identity) for identity in identities}
        waiting, all_ended = {identity for identity, end in ends.items() if not end.done()}, asyncio.Event()

        def note(identity: Identity, _: asyncio.Future[Exit]) -> None:
            waiting.discard(identity)
            if not waiting:
                all_ended.set()

        notes = [(ends[identity], partial(note, identity)) for identity in waiting]
        for end, each in notes:
            end.add_done_callback(each)
        try:
            if waiting:
                await self._clock.wait(all_ended, self._clock.now().boot_s + within_s)
        finally:
            for end, each in notes:
                end.remove_done_callback(each)
        for identity in [*waiting]:  # should the system have failed to announce one
            self._check(identity)
        return all(end.done() for end in ends.values())

    def close(self) -> None:
        """Watch nothing any more; the processes live on."""
        self._source.close()

    def _check(self, identity: Identity) -> None:
        try:
            if not self._exits[identity].done() and not is_alive(identity):
                self._reap(identity)
        except OSError as error:  # too many open files: the next check will see
            _log.warning("process_not_seen", pid=identity.pid, error=str(error))

    def _look_after(self, pid: int) -> bool:
        """Note the end of a dead child if it is watched, and tell whether that was done."""
        identity = self._by_pid.get(pid)
        if identity is None or self._exits[identity].done():
            return False
        self._reap(identity)
        return self._exits[identity].done()

    def _reap(self, identity: Identity) -> None:
        if not self._exits[identity].done() and (how := self._source.reap(identity)) is not None:
            self._record_exit(identity, how)

    def _record_exit(self, identity: Identity, how: Exit) -> None:
        self._exits[identity].set_result(how)
        self._ended.append(identity)
        if len(self._ended) > _REMEMBERED:
            oldest = self._ended.popleft()
            del self._exits[oldest]
            if self._by_pid.get(oldest.pid) == oldest:
                del self._by_pid[oldest.pid]


def system_source() -> ExitSource:
    """Return the best way of this system to learn of exits."""
    if sys.platform == "linux":
        from openwa_manager.processes.exits.pidfd import Pidfds

        try:
            os.close(os.pidfd_open(os.getpid()))
        except OSError:  # pragma: no cover (a kernel before 5.3, or a sandbox that forbids it)
            return Polling()
        return Pidfds()
    elif sys.platform == "darwin":  # pragma: no cover (macOS)  # noqa: RET505 mypy understands only this form
        from openwa_manager.host.kernel.queue import open_kernel_queue
        from openwa_manager.processes.exits.kqueue import KqueueExits

        return KqueueExits(open_kernel_queue())
    else:  # pragma: no cover (other systems)
        return Polling()
