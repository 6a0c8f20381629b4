"""Ends an engine with every descendant, and proves them dead."""

import asyncio
import os
import signal
from collections.abc import Callable, Collection

import structlog

from openwa_manager.domain.ports import Clock, Target
from openwa_manager.domain.session.session import Exit, Identity, SessionId
from openwa_manager.processes import orphans
from openwa_manager.processes.exits.exit_watcher import ExitWatcher
from openwa_manager.processes.host_limits import is_host_limit
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.marks import mark_of
from openwa_manager.processes.reading.table import (
    CoalescedRead,
    Process,
    ProcessTable,
    TaggedProcessTable,
    read_processes,
    read_tagged_processes,
)
from openwa_manager.processes.signals import send_signal

log = structlog.get_logger(__name__)

#: From the second SIGTERM, at which OpenWA reaps its browser, to the first SIGKILL.
_LAST_GRACE_S = 3.0
#: How long a process may take to die of SIGKILL before we say so and look again.
_DEATH_S = 5.0
#: How long to wait before reading the process table again after the host had no file or memory for it.
_RETRY_S = 1.0
#: A scan of the whole process table competes with the relaunch for the processor. Where nothing was seen to be left it
#: waits for the next multiple of this on the boot clock, and all engines that crashed meanwhile share one scan.
_SCAN_PERIOD_S = 2.0


#: Which processes the last measurements saw in an engine's tree, by the engine's own identity.
MembersOf = Callable[[Identity], frozenset[Identity]]


class TreeTerminator:
    """Ends engines together with whatever they started; many at once share the scans of the process table."""

    def __init__(self, exits: ExitWatcher, clock: Clock, members_of: MembersOf, locks: SessionLocks) -> None:
        self._exits = exits
        self._locks = locks
        self._clock = clock
        self._members_of = members_of
        self._sweeping: dict[SessionId, asyncio.Event] = {}
        self._table = CoalescedRead(lambda: ProcessTable(read_processes()))
        self._tagged_table = CoalescedRead(read_tagged_processes)

    async def end(self, target: Target, grace_s: float) -> Exit:
        """End the engine and every descendant; return only once all are proven dead."""
        members = self._seen_of(target)
        while True:
            try:
                return await self._end(target, members, grace_s)
            except OSError as error:
                if not is_host_limit(error):
                    raise
                await self._wait_for_host(target, error)

    async def _end(self, target: Target, members: set[Identity], grace_s: float) -> Exit:
        engine = target.identity
        if engine is not None and not self._exits.watch(engine).done():
            # Before the first signal: once the engine is dead nothing says any more who its children were.
            table = await self._table.get()
            members |= {each.identity for each in (*table.descendants([engine]), *table.in_session(engine))}
            await self._ask_to_exit(engine, grace_s)
        await self._kill(target, members)
        return Exit() if engine is None else await self._exits.wait(engine)

    async def _wait_for_host(self, target: Target, error: OSError) -> None:
        """Wait a little for a host that had no file or memory left to read its process table."""
        log.warning("processes_not_seen", session_id=target.session_id, error=str(error), retry_in_s=_RETRY_S)
        await self._clock.sleep_until(self._clock.now().boot_s + _RETRY_S)

    async def sweep(self, target: Target, *, is_urgent: bool = False, seen: Collection[Identity] = ()) -> int:
        """Kill what is left of this launch after its engine died; return how many processes that were.

        Where nothing was seen to be left it waits to share a scan with others; not if somebody waits (`is_urgent`).
        `seen` are what is known to be left.
        """
        members = self._seen_of(target) | {*seen}
        if not is_urgent and not members - {target.identity}:
            await self._clock.sleep_until((self._clock.now().boot_s // _SCAN_PERIOD_S + 1) * _SCAN_PERIOD_S)
            return await self._sweep(target, members)
        cleared = self._sweeping[target.session_id] = asyncio.Event()
        try:
            return await self._sweep(target, members)
        finally:
            cleared.set()
            if self._sweeping.get(target.session_id) is cleared:
                del self._sweeping[target.session_id]

    async def _sweep(self, target: Target, members: set[Identity]) -> int:
        while True:
            try:
                return await self._kill(target, members)
            except OSError as error:
                if not is_host_limit(error):
                    raise
                await self._wait_for_host(target, error)

    async def wait_for_sweep(self, session_id: SessionId) -> None:
        """Return once no sweep is ending processes that were seen with an engine of this session."""
        if session_id in self._sweeping:
            await self._sweeping[session_id].wait()

    def _seen_of(self, target: Target) -> set[Identity]:
        """Return the members a measurement saw: only so are those known that left their parents and have no tag."""
        return set() if target.identity is None else set(self._members_of(target.identity))

    async def _ask_to_exit(self, engine: Identity, grace_s: float) -> None:
        for patience_s in (grace_s, _LAST_GRACE_S):
            if not send_signal(engine, signal.SIGTERM) or await self._exits.wait_all({engine}, patience_s):
                return

    async def _kill(self, target: Target, members: set[Identity]) -> int:
        killed: set[Identity] = set()
        not_permitted: set[Identity] = set()
        while victims := await self._find(target, members) - not_permitted:
            for victim in victims:
                try:
                    send_signal(victim, signal.SIGKILL)
                except PermissionError:
                    not_permitted.add(victim)
                    log.warning("process_not_killed", session_id=target.session_id, pid=victim.pid)
            killed |= victims - not_permitted
            members |= victims
            if not await self._exits.wait_all(victims - not_permitted, _DEATH_S):
                log.warning("kill_delayed", session_id=target.session_id, pids=sorted(each.pid for each in victims))
        return len(killed)

    async def _find(self, target: Target, members: set[Identity]) -> set[Identity]:
        """Return everything alive that belongs to the launch: known members, the tagged, and all their descendants."""
        table = await self._tagged_table.get()
        tagged = [
            *table.of_launch(target.launch_id),
            *table.in_directory(target.directory, target.launch_id),
            *self._holders(target, table),
            *self._orphans(target, table),
        ]
        return {each.identity for each in table.descendants(members | {each.identity for each in tagged})}

    def _holders(self, target: Target, table: TaggedProcessTable) -> list[Process]:
        """Return who holds the session's lock for this launch: a shell hands it on to what it starts.

        Nobody once a later launch has taken the lock. It is read after the table, so that no process of a later launch
        is in the table unseen.
        """
        if not table.has_holders({path.name for path in self._locks.paths_of(target.session_id)}):
            return []
        path, *former = self._locks.places_of(target.session_id)
        is_last = self._locks.launch_of(target.session_id) in (None, target.launch_id)
        return table.holding([path, *former] if is_last else former, target.launch_id)

    def _orphans(self, target: Target, table: TaggedProcessTable) -> list[Process]:
        """Return who has this launch's mark, and the orphans that came to us and that no living engine has left.

        Whose an orphan is cannot be known if it lowered its mark, cleaned its environment and left its session before
        a measurement saw it: it is ended with whichever engine is ended first.
        """
        marked, own_session = table.of_mark(mark_of(target.launch_id)), os.getsid(0)
        strays = [
            each for each in table.strays() if each.session != own_session and not self._exits.has_known(each.identity)
        ]
        if not strays or not orphans.is_adopting() or os.getpid() == 1:  # whose children need not be engines' leavings
            return marked
        others = set(self._exits.watched()) - {target.identity}
        of_others = {each.pid for each in others} | {each.pid for other in others for each in self._members_of(other)}
        return marked + [child for child in strays if child.pid not in of_others and child.session not in of_others]
