"""How a mock hears that it is to end, and that a process it waits for is dead: both wake its wait."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class AskedToEnd:
    """Knows whether somebody asked; `waker` is readable when a signal has come."""

    def __init__(self, waker: socket.socket) -> None:
        self.waker = waker
        self.is_asked = False

    def rest(self) -> None:
        """Forget what woke the wait; the signal's handler has run."""
        try:
            while self.waker.recv(64):
                pass
        except BlockingIOError:
            return

    def note(self, number: int, frame: FrameType | None) -> None:
        """Take note that a signal asks."""
        del number, frame
        self.is_asked = True


@contextmanager
def asked_by_signals() -> Iterator[AskedToEnd]:
    """Yield what hears the signals that were not ignored when the mock began."""
    waker, wakened = socket.socketpair()
    with closing(waker), closing(wakened):
        waker.setblocking(False)
        wakened.setblocking(False)
        asked = AskedToEnd(waker)
        signal.set_wakeup_fd(wakened.fileno(), warn_on_full_buffer=False)
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, asked.note)
        try:
            yield asked
        finally:
            signal.set_wakeup_fd(-1)


def forget_in_child() -> None:
    """Undo in a fork what its parent does about signals."""
    signal.set_wakeup_fd(-1)
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear
    os.setsid()
