"""Follows events live and reconnects when the connection breaks; what was missed comes first."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

from openwa_manager.cli.client import Client, Query
from openwa_manager.cli.errors import NotReachableError
from openwa_manager.domain import foreign_json

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: How long a daemon may be away once it was there, as while it is upgraded.
PATIENCE_S = 60.0
#: How soon to come back unless the daemon says otherwise.
_RETRY_S = 1.0

Event = Mapping[str, "Json"]


class Follower:
    """Yields events as they happen; `position` is that of the last one, None before the first."""

    def __init__(self, client: Client, path: str, query: Query, patience_s: float = PATIENCE_S) -> None:
        self._client = client
        self._path = path
        self._query = query
        self._patience_s = patience_s
        self._retry_s = _RETRY_S
        self._heard_s: float | None = None
        self.position: str | None = None

    def follow(self) -> Iterator[Event]:
        """Yield without end.

        Raises:
            NotReachableError: no daemon answered, or none did again for a while.
            SessionNotFoundError | CommandFailedError: there is nothing to follow.
        """
        while True:
            try:
                yield from self._listen()
            except NotReachableError:
                if self._heard_s is None or time.monotonic() - self._heard_s > self._patience_s:
                    raise
            time.sleep(self._retry_s)

    def _listen(self) -> Iterator[Event]:
        headers = {"Accept": "text/event-stream"}
        if self.position is not None:
            headers["Last-Event-ID"] = self.position
        for name, value in _fields(_lines(self._client.stream(self._path, self._query, headers))):
            self._heard_s = time.monotonic()
            if name == "id":
                self.position = value
            elif name == "retry":
                self._retry_s = int(value) / 1000
            elif name == "data":
                yield cast("Mapping[str, Json]", foreign_json.parse(value, max_values=None))


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def _fields(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line that has them; a comment has no name."""
    for line in lines:
        name, colon, value = line.decode().partition(": ")
        if colon:
            yield name, value
