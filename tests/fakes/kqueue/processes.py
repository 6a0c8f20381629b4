"""EVFILT_PROC by the rules of XNU's `bsd/kern/kern_event.c` (filt_procattach, filt_procevent).

Who exits is hidden from the start of his exit on, a zombie too (ESRCH; P_REF_DEAD in `bsd/kern/kern_exit.c`). NOTE_EXIT
comes before the zombie, ends the registration, and carries the wait status if NOTE_EXITSTATUS was asked for, which is
for parents and for those who may signal the process (else EACCES). A registration belongs to the process, not to its
number, but is found by its number only: until its event was read, nobody else with that number can be registered.

Linux has no moment between exit and zombie that a test could hold on to. So a test says that a living process begins
to exit (`start_exit`), and that the kernel says so (`post_exit`), and then has it really end that way. Of a process
that ends without a word, NOTE_EXIT is posted when it is a zombie.
"""

import errno
import os
import select
import sys
from dataclasses import dataclass

from openwa_manager.domain.session.session import Identity
from openwa_manager.host.kernel.queue import (
    EV_CLEAR,
    EV_EOF,
    EV_ONESHOT,
    EVFILT_PROC,
    NOTE_EXIT,
    NOTE_EXITSTATUS,
)
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.identity import identity_of
from tests.fakes.kqueue.events import Flag, Kevent, Poll, RefusedError

if sys.platform == "linux":

    def _open_pidfd(pid: int) -> int:
        return os.pidfd_open(pid)

    def _child_status_of(pidfd: int) -> int | None:
        """Return the wait status of a dead child, which stays as it is; None when it is no child of ours."""
        try:
            ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None
        assert ended is not None
        return ended.si_status << 8 if ended.si_code == os.CLD_EXITED else ended.si_status

else:

    def _open_pidfd(pid: int) -> int:
        raise NotImplementedError

    def _child_status_of(pidfd: int) -> int | None:
        raise NotImplementedError


@dataclass(slots=True, kw_only=True)
class _ProcessNote:
    """A registration; `pidfd` is the process it belongs to, `event` what waits to be read."""

    pidfd: int
    fflags: int
    event: Kevent | None = None


class Processes:
    """EVFILT_PROC, and what the kernel knows of processes."""

    def __init__(self, poll: Poll) -> None:
        self._poll = poll
        self._notes: dict[int, _ProcessNote] = {}
        self._exiting: set[Identity] = set()
        self._strangers: set[int] = set()
        self._flag = Flag(poll)

    @property
    def registered(self) -> set[int]:
        """The numbers of those whose exit will be announced."""
        return set(self._notes)

    def hide(self, pid: int) -> None:
        """Let this process be another user's."""
        self._strangers.add(pid)

    def start_exit(self, pid: int) -> None:
        """Let the kernel take this living process for one that exits: it is hidden, but no zombie."""
        identity = identity_of(pid)
        assert identity is not None
        self._exiting.add(identity)

    def post_exit(self, pid: int, status: int) -> None:
        """Announce the exit of this process, which lives yet, with the wait status that it will have."""
        self.start_exit(pid)
        note = self._notes.get(pid)
        if note is not None and note.event is None:  # else it is an earlier process's
            self._post(pid, note, status)

    def forget_exit(self, pid: int) -> None:
        """Take back that it exits: it is the next process of this number. What was announced waits to be read."""
        self._exiting = {identity for identity in self._exiting if identity.pid != pid}

    def add(self, change: Kevent) -> None:
        pid = change.ident
        self._note_ends()
        if (known := self._notes.get(pid)) is not None:
            known.fflags = change.fflags  # filt_proctouch: the one that is found stays with the process it has
            return
        stat = procfs.read_stat(pid)
        if stat is None or stat.is_dead or identity_of(pid) in self._exiting:
            raise RefusedError(errno.ESRCH)
        both = NOTE_EXIT | NOTE_EXITSTATUS
        if change.fflags & both == both and stat.ppid != os.getpid() and not self._may_signal(pid):
            raise RefusedError(errno.EACCES)
        pidfd = _open_pidfd(pid)
        self._notes[pid] = _ProcessNote(pidfd=pidfd, fflags=change.fflags)
        self._poll.register(pidfd, select.POLLIN)

    def delete(self, change: Kevent) -> None:
        note = self._notes.pop(change.ident, None)
        if note is None:
            raise RefusedError(errno.ENOENT)
        self._drop(note)

    def take(self, max_count: int) -> list[Kevent]:
        self._note_ends()
        taken = [note.event for note in self._notes.values() if note.event is not None][:max_count]
        for event in taken:
            self._drop(self._notes.pop(event.ident))
        self._raise_flag()
        return taken

    def close(self) -> None:
        for note in self._notes.values():
            self._drop(note)
        self._notes.clear()
        self._flag.close()

    def _may_signal(self, pid: int) -> bool:
        if pid in self._strangers:
            return False
        try:
            os.kill(pid, 0)
        except PermissionError:
            return False
        return True

    def _note_ends(self) -> None:
        """Announce those who have ended without a word."""
        for pid, note in self._notes.items():
            if note.event is None and select.select([note.pidfd], [], [], 0)[0]:
                self._post(pid, note, _status_of(note.pidfd, pid))

    def _post(self, pid: int, note: _ProcessNote, status: int) -> None:
        # filt_procevent: the wait status is in the low bits of the hint, NOTE_PDATAMASK
        wanted = note.fflags & (NOTE_EXIT | NOTE_EXITSTATUS)
        data = status & 0xFFFF if wanted & NOTE_EXITSTATUS else 0
        flags = EV_EOF | EV_ONESHOT | EV_CLEAR
        note.event = Kevent(ident=pid, filter=EVFILT_PROC, flags=flags, fflags=wanted, data=data)
        self._raise_flag()

    def _raise_flag(self) -> None:
        self._flag.show(is_up=any(note.event is not None for note in self._notes.values()))

    def _drop(self, note: _ProcessNote) -> None:
        self._poll.unregister(note.pidfd)
        os.close(note.pidfd)


def _status_of(pidfd: int, pid: int) -> int:
    """Return the wait status of a process that is a zombie, or was; it stays as it is."""
    status = _child_status_of(pidfd)
    if status is not None:
        return status
    stat = procfs.read_stat(pid)
    if stat is None or not stat.is_dead:
        raise AssertionError("its parent has reaped it: let the test say how it ends (post_exit)")
    return stat.status
