"""What many must hear of the moment it happens; made first, handed to those who publish and those who subscribe."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from openwa_manager.domain.access.keys import KeyRevoked
from openwa_manager.domain.delivery.events import Json, StoredEvent
from openwa_manager.domain.session.decisions import Moved
from openwa_manager.domain.session.session import LaunchId, SessionId
from openwa_manager.domain.values import dataclass

T = TypeVar("T")


class Topic(Generic[T]):
    """One kind of change: all who have subscribed are called at once, in the order in which they did."""

    def __init__(self) -> None:
        self._subscribers: list[Callable[[T], None]] = []

    def subscribe(self, subscriber: Callable[[T], None]) -> None:
        """Have this called at every change from now on; it must neither block nor fail."""
        self._subscribers.append(subscriber)

    def publish(self, change: T) -> None:
        """Tell all who have subscribed."""
        for subscriber in self._subscribers:
            subscriber(change)


class Ahead(Generic[T]):
    """A change that waits until all who have subscribed have done what is theirs to do before it."""

    def __init__(self) -> None:
        self._subscribers: list[Callable[[T], Awaitable[None]]] = []

    def subscribe(self, subscriber: Callable[[T], Awaitable[None]]) -> None:
        """Have this awaited before every change from now on; after a kill it is asked again, and does what is left."""
        self._subscribers.append(subscriber)

    async def prepare(self, change: T) -> None:
        """Return once all who have subscribed are ready, one after the other; what one raises is raised."""
        for subscriber in self._subscribers:
            await subscriber(change)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeExpected:
    """A launch has just begun, the image of an earlier code is gone from its directory: it may show one soon."""

    session_id: SessionId
    launch_id: LaunchId


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLeft:
    """An engine says that a message has left through its account, by whomever; `data` is what it says of it."""

    session_id: SessionId
    data: Mapping[str, Json]


class Changes:
    """The topics there are.

    `events_stored`: these events are on disk. `session_moved`: so was decided of a session. `status_changed`: one of
    these events tells of another status of a session. `network_changed`: the host went offline (True) or came back.
    `host_slept`: it slept for so many seconds. `key_revoked`: a key lets in no more, or to less, also by time.
    `session_ending`: this session, which has no engine any more, is about to be forgotten.
    """

    def __init__(self) -> None:
        self.events_stored = Topic[Sequence[StoredEvent]]()
        self.session_moved = Topic[Sequence[Moved]]()
        self.status_changed = Topic[None]()
        self.code_expected = Topic[CodeExpected]()
        self.message_left = Topic[MessageLeft]()
        self.network_changed = Topic[bool]()
        self.host_slept = Topic[float]()
        self.key_revoked = Topic[KeyRevoked]()
        self.session_ending = Ahead[SessionId]()
        self.events_stored.subscribe(self._publish_status)

    def _publish_status(self, stored: Sequence[StoredEvent]) -> None:
        if any(each.event.type == "session.status" for each in stored):
            self.status_changed.publish(None)
