"""What a scrape tells: the daemon at one moment, or those of its sessions that a caller may know of."""

from collections.abc import Mapping, Sequence

from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.domain.session.session import SessionId, Status, Usage
from openwa_manager.domain.values import dataclass
from openwa_manager.metrics.durations import Durations
from openwa_manager.metrics.tallies import DeliveryTally, RequestTally, SendTally, SessionTally

#: What holds a message that waits only for its turn.
NO_HOLD = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageNumbers:
    """The messages at one moment: `totals` by route and outcome, `waiting` by hold."""

    totals: Mapping[tuple[str, str], int]
    waiting: Mapping[str, int]
    acks_overdue: int
    sends: SendTally


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionNumbers:
    """One session at one moment; `usage` None: its engine was not measured yet, or there is none.

    `cpu_s` is what all its engines have used since the daemon's start.
    """

    session_id: SessionId
    status: Status
    usage: Usage | None
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineNumbers:
    """All engines at one moment: their memory in bytes, and the seconds of processor time of those ended too."""

    rss_bytes: int
    cpu_s: float
    probe_misses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNumbers:
    """What the host has left, in bytes; None where it cannot be measured now."""

    memory_available_bytes: int | None
    disk_free_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutstandingDeliveries:
    """The deliveries that are not made: how many wait, how many are dead, and how old the oldest is.

    `oldest_s` is 0 when none waits; what waits for a paused endpoint is left out of it.
    """

    pending: int
    dead: int
    oldest_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """The daemon at one moment.

    `each` is empty unless single sessions are wanted; `adoption_s` is None until adoption is over. `endpoints` tells
    which are up; those that a person has paused are left out.
    """

    version: str
    python: str
    sessions: Mapping[Status, int]
    each: Sequence[SessionNumbers] = ()
    restarts: Mapping[str, int]
    adoption_s: float | None
    queue_length: int
    engines: EngineNumbers
    host: HostNumbers
    moves: SessionTally
    endpoints: Mapping[EndpointId, bool]
    outstanding: OutstandingDeliveries
    deliveries: DeliveryTally
    commit: Durations
    loop_lag: Durations
    messages: MessageNumbers
    requests: RequestTally


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialScrape:
    """Some sessions at one moment, for those who may know of no others; the fields are those of `Scrape`."""

    version: str
    python: str
    sessions: Mapping[Status, int]
    each: Sequence[SessionNumbers]
    endpoints: Mapping[EndpointId, bool]
    waiting: Mapping[str, int]
    acks_overdue: int
