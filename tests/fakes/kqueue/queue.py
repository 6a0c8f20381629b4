"""A `select.kqueue` and `select.kevent` for Linux by the rules of XNU, over real processes and real directories."""

import errno
import os
import select
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from openwa_manager.host.kernel.queue import (
    EV_ADD,
    EV_DELETE,
    EV_ERROR,
    EVFILT_PROC,
    EVFILT_VNODE,
    KernelQueue,
    open_kernel_queue,
)
from tests.fakes.kqueue.directories import Directories
from tests.fakes.kqueue.events import Filter, Kevent, Poll, RefusedError, kevent
from tests.fakes.kqueue.processes import Processes

if sys.platform == "linux":

    def _open_poll() -> Poll:
        return select.epoll()

else:

    def _open_poll() -> Poll:
        raise NotImplementedError


class FakeKqueue:
    """The queue. `processes` and `directories` are what a test may look at and tell."""

    def __init__(self) -> None:
        with ExitStack() as unless_made:
            self._poll = _open_poll()
            unless_made.callback(self._poll.close)
            self.processes = Processes(self._poll)
            unless_made.callback(self.processes.close)
            self.directories = Directories(self._poll)
            unless_made.pop_all()
        self._filters: dict[int, Filter] = {EVFILT_PROC: self.processes, EVFILT_VNODE: self.directories}
        self._refusals: list[int] = []
        self.is_closed = False

    def refuse_next(self, *numbers: int) -> None:
        """Refuse the next registrations with these errors: ENOMEM when the kernel cannot make its tables larger."""
        self._refusals += numbers

    def fileno(self) -> int:
        return self._poll.fileno()

    def control(self, changelist: Iterable[Kevent], maxevents: int, timeout: float, /) -> Sequence[Kevent]:
        """Refuse by an event where there is room for one, else by OSError, as kevent(2) does."""
        assert timeout == 0, "it would hold up the loop"
        if self.is_closed:  # kqueue_queue_err_closed in Modules/selectmodule.c
            raise ValueError("I/O operation on closed kqueue object")
        answers: list[Kevent] = []
        taken: list[Kevent] = []
        for change in changelist:
            try:
                self._change(change)
            except RefusedError as refusal:
                if len(answers) == maxevents:
                    raise OSError(refusal.number, os.strerror(refusal.number)) from None
                answers.append(replace(change, flags=change.flags | EV_ERROR, data=refusal.number))
        for each in () if answers else self._filters.values():  # kevent_internal waits for nothing more then
            taken += each.take(maxevents - len(taken))
        return answers or taken

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            for each in self._filters.values():
                each.close()
            self._poll.close()

    def _change(self, change: Kevent) -> None:
        of_kind = self._filters[change.filter]
        if change.flags & EV_DELETE:
            of_kind.delete(change)
        elif change.flags & EV_ADD:
            if self._refusals:
                raise RefusedError(self._refusals.pop(0))
            of_kind.add(change)


class FakeKernel:
    """Hands out queues like `open_kernel_queue`, and keeps them for the test to look at; on macOS the real ones.

    `refusals` are the errors with which each new queue refuses its first registrations; `has_queues` False: there is
    none to be had.
    """

    def __init__(self) -> None:
        self.queues: list[FakeKqueue] = []
        self.refusals: list[int] = []
        self.has_queues = True

    def open(self) -> KernelQueue:
        """Return a new queue."""
        if sys.platform == "darwin":
            return open_kernel_queue()
        else:  # noqa: RET505 mypy understands only this form
            if not self.has_queues:
                raise OSError(errno.ENFILE, os.strerror(errno.ENFILE))
            self.queues.append(FakeKqueue())
            self.queues[-1].refuse_next(*self.refusals)
            return KernelQueue(self.queues[-1], kevent)
