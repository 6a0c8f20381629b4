"""Measures what the engines use: memory, processor time and processes of whole trees, in one pass for all."""

from collections.abc import Collection, Mapping, Sequence

import psutil

from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Identity, SessionId, Usage
from openwa_manager.domain.values import dataclass
from openwa_manager.processes.reading.identity import is_alive
from openwa_manager.processes.reading.table import Process, ProcessTable, list_processes, read_processes

#: In every so many samples all processes of the host are looked at.
_ALL_EVERY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """What was seen of one tree: when (boot clock), and the processor time of each member."""

    boot_s: float
    cpu_s: Mapping[Identity, float]


class UsageMeter:
    """Measures trees again and again; remembers their members, also those that left their parents."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: Mapping[Identity, _Sample] = {}
        self._strangers: Mapping[int, int] = {}
        self._until_all_count = 0

    def members_of(self, engine: Identity) -> frozenset[Identity]:
        """Return whom the last samples saw in this engine's tree; that of a dead one is known while a member lives."""
        sample = self._samples.get(engine)
        return frozenset(sample.cpu_s) if sample else frozenset()

    def open_files_of(self, engine: Identity) -> int | None:
        """Return how many files the tree that was sampled last has open now; None when none of it can be looked at."""
        counts = [count for each in self.members_of(engine) if (count := _open_file_count(each)) is not None]
        return sum(counts) if counts else None

    def sample(self, roots: Mapping[SessionId, Identity]) -> Mapping[SessionId, Usage]:
        """Return the use of each live engine with all its descendants; sessions whose engine is dead are absent.

        The processor time is that since the sample before; an engine sampled for the first time counts nothing yet.
        Blocks for about 20 µs per process that is looked at: all on the host in every fourth sample, else those that
        are new or were in a tree.
        """
        listed = list_processes()
        table, boot_s = ProcessTable(read_processes(self._wanted(listed, roots))), self._clock.now().boot_s
        usages: dict[SessionId, Usage] = {}
        samples: dict[Identity, _Sample] = {}
        trees = {root: self._members(table, root) for root in {*roots.values(), *self._samples}}
        for root, members in trees.items():
            if members:
                samples[root] = _Sample(boot_s=boot_s, cpu_s={each.identity: each.cpu_s for each in members})
        for session_id, root in roots.items():
            if root in samples and root in samples[root].cpu_s:
                usages[session_id] = _usage(trees[root], self._samples.get(root), samples[root])
        of_trees = {identity.pid for sample in samples.values() for identity in sample.cpu_s}
        # A parent that was born while they were listed may be missing, and be in a tree.
        unsure = {each.pid for each in table if each.ppid and each.ppid not in listed}
        self._strangers = {pid: each for pid, each in listed.items() if pid not in of_trees and pid not in unsure}
        self._samples = samples
        return usages

    def _wanted(self, listed: Mapping[int, int], roots: Mapping[SessionId, Identity]) -> Collection[int]:
        """Return the numbers of the processes that may be in a tree.

        Nobody enters a tree but by birth. So a stranger stays one for as long as /proc lists the same entry under its
        number; one that is gone is forgotten at once. A kernel that gives a new process the entry of a dead one hides
        it, if it gets that number between two samples, until all are looked at.
        """
        if self._until_all_count == 0 or any(root not in self._samples for root in roots.values()):
            self._strangers, self._until_all_count = {}, _ALL_EVERY
        self._until_all_count -= 1
        return [pid for pid, entry in listed.items() if self._strangers.get(pid) != entry]

    def _members(self, table: ProcessTable, root: Identity) -> Sequence[Process]:
        before = self._samples.get(root)
        return table.descendants([root, *(before.cpu_s if before else ())])


def _open_file_count(identity: Identity) -> int | None:
    try:
        count = psutil.Process(identity.pid).num_fds()
    except psutil.Error:
        return None
    return count if is_alive(identity) else None


def _usage(members: Sequence[Process], before: _Sample | None, now: _Sample) -> Usage:
    used_s = cpu_percent = 0.0
    if before is not None and now.boot_s > before.boot_s:
        # A process that is new since then has done all its work since then.
        used_s = sum(cpu_s - before.cpu_s.get(identity, 0.0) for identity, cpu_s in now.cpu_s.items())
        cpu_percent = 100 * used_s / (now.boot_s - before.boot_s)
    return Usage(
        rss_bytes=sum(process.rss_bytes for process in members),
        cpu_percent=cpu_percent,
        process_count=len(members),
        cpu_s=used_s,
    )
