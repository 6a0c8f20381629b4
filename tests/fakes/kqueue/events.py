"""What the parts of the queue have in common."""

import os
import select
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, kw_only=True)
class Kevent:
    """What `select.kevent` holds."""

    ident: int
    filter: int
    flags: int
    fflags: int
    data: int = 0


def kevent(ident: int, event_filter: int, flags: int, fflags: int) -> Kevent:
    """Make one, as `select.kevent` is called."""
    return Kevent(ident=ident, filter=event_filter, flags=flags, fflags=fflags)


class RefusedError(Exception):
    """The kernel refuses a change; `number` says why."""

    def __init__(self, number: int) -> None:
        super().__init__(os.strerror(number))
        self.number = number


class Poll(Protocol):
    """The part of `select.epoll` that is used; it is itself readable when one of its descriptors is."""

    def fileno(self) -> int: ...
    def register(self, fd: int, eventmask: int, /) -> None: ...
    def unregister(self, fd: int, /) -> None: ...
    def close(self) -> None: ...


class Flag:
    """Keeps a queue readable while something waits to be read that no other descriptor of it shows."""

    def __init__(self, poll: Poll) -> None:
        self._shown, self._end = os.pipe()
        os.set_blocking(self._shown, False)
        poll.register(self._shown, select.POLLIN)

    def show(self, *, is_up: bool) -> None:
        with suppress(BlockingIOError):
            os.read(self._shown, 4096)
        if is_up:
            os.write(self._end, b"!")

    def close(self) -> None:
        os.close(self._shown)
        os.close(self._end)


class Filter(Protocol):
    """One kind of what can be watched."""

    def add(self, change: Kevent) -> None: ...
    def delete(self, change: Kevent) -> None: ...
    def take(self, max_count: int) -> list[Kevent]: ...
    def close(self) -> None: ...
