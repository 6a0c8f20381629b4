"""How a mock hears that it is to end, and that a process it must bury is dead: both wake its wait."""

import os
import signal
import socket
from types import FrameType, TracebackType
from typing import Self

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class AskedToEnd:
    """While it is entered: knows whether somebody asked, by a signal that was not ignored when the mock began."""

    def __init__(self) -> None:
        self.is_asked = False
        self.waker, self._end = socket.socketpair()
        self.waker.setblocking(False)
        self._end.setblocking(False)

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._end.fileno(), warn_on_full_buffer=False)
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(-1)
        self.waker.close()
        self._end.close()

    def rest(self) -> None:
        """Forget what woke the wait; the signal's handler has run."""
        try:
            while self.waker.recv(64):
                pass
        except BlockingIOError:
            return

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.is_asked = True


def forget_in_child() -> None:
    """Undo in a fork what its parent does about signals."""
    signal.set_wakeup_fd(-1)
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear
    os.setsid()
