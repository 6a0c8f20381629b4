"""Whether there is room for more events of a session, and whether its engine posts too fast: asked for each post."""

import dataclasses
from dataclasses import field

from openwa_manager.domain.errors import BacklogFullError
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.delivery.large_posts import LargePosts
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.backlog import Shares, read_shares

#: How long an answer holds; a second's worth of events does not matter at the cap.
_HOLDS_S = 1.0
#: When so many sessions are remembered, those whose allowance is whole again are forgotten.
_KNOWN_MAX = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingRate:
    """How fast one engine may post, and how much in a burst: many times what an account receives.

    An event of 2 MB takes up to 100 ms from the check of its signature to the disk (measured); two a second leave
    neighbours their time. What is turned away is posted again: OpenWA tries for two minutes.

    What is said of the session itself makes steps and events that are never dropped. A code comes every 20 s, a link
    changes some times in an hour; and none is lost, for each probe asks how the link is.
    """

    events_per_s: float = 200.0
    bytes_per_s: float = 4e6
    burst_s: float = 4.0
    states_per_s: float = 1.0
    states_burst: float = 60.0


@dataclasses.dataclass(slots=True, kw_only=True)
class _Allowance:
    """What one engine may still post at `boot_s`."""

    events: float
    byte_count: float
    states: float
    boot_s: float


@dataclasses.dataclass(slots=True)
class Backpressure:
    """Turns away what can be posted again later; the backlog is read once a second at most."""

    database: Database
    clock: Clock
    rate: PostingRate = field(default_factory=PostingRate)
    large_posts: LargePosts = field(init=False)
    _shares: Shares = field(default_factory=Shares)
    _good_until_boot_s: float = 0.0
    _allowances: dict[SessionId, _Allowance] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.large_posts = LargePosts(self.clock)

    async def require_room(self, session_id: SessionId) -> None:
        """Return if another event of this session may wait to be delivered.

        Raises:
            BacklogFullError: too much of it does already.
        """
        if not (await self._read_shares()).has_room(session_id):
            raise _full()

    async def require_state_room(self, session_id: SessionId) -> None:
        """Return if the engine may say once more how its session is, and count that; there is room of its own for it.

        Raises:
            BacklogFullError: it says so too often, or even that room is taken.
        """
        left = self._left(session_id)
        if left.states < 1:
            raise BacklogFullError("this engine posts too often how its session is; post it again later")
        left.states -= 1
        if not (await self._read_shares()).has_state_room(session_id):
            raise _full()

    async def _read_shares(self) -> Shares:
        now_boot_s = self.clock.now().boot_s
        if now_boot_s >= self._good_until_boot_s:
            self._good_until_boot_s = now_boot_s + _HOLDS_S  # first of all: those who ask meanwhile need not read, too
            self._shares = await self.database.read(read_shares)
        return self._shares

    def count_event(self, session_id: SessionId) -> None:
        """Return if this session's engine may post one more event now, and count it.

        Raises:
            BacklogFullError: it posts too fast.
        """
        left = self._left(session_id)
        if left.events < 1 or left.byte_count <= 0:
            raise BacklogFullError("this engine posts too fast; post it again later")
        left.events -= 1  # bytes are counted when they are here; one event may overdraw them, which the next pays for

    def count_bytes(self, session_id: SessionId, byte_count: int) -> None:
        """Count what an engine has posted against what it may."""
        self._left(session_id).byte_count -= byte_count

    def _left(self, session_id: SessionId) -> _Allowance:
        now_boot_s, rate = self.clock.now().boot_s, self.rate
        left = self._allowances.get(session_id)
        if left is None:
            if len(self._allowances) >= _KNOWN_MAX:
                self._forget_rested(now_boot_s)
            whole = _Allowance(
                events=rate.events_per_s * rate.burst_s,
                byte_count=rate.bytes_per_s * rate.burst_s,
                states=rate.states_burst,
                boot_s=now_boot_s,
            )
            return self._allowances.setdefault(session_id, whole)
        passed_s, left.boot_s = now_boot_s - left.boot_s, now_boot_s
        left.events = min(left.events + passed_s * rate.events_per_s, rate.events_per_s * rate.burst_s)
        left.byte_count = min(left.byte_count + passed_s * rate.bytes_per_s, rate.bytes_per_s * rate.burst_s)
        left.states = min(left.states + passed_s * rate.states_per_s, rate.states_burst)
        return left

    def _forget_rested(self, now_boot_s: float) -> None:
        self._allowances = {
            session_id: left
            for session_id, left in self._allowances.items()
            if now_boot_s - left.boot_s < 2 * self.rate.burst_s or not self._is_whole(left, now_boot_s)
        }

    def _is_whole(self, left: _Allowance, now_boot_s: float) -> bool:
        """Tell whether nothing is remembered of this engine by forgetting it."""
        return left.states + (now_boot_s - left.boot_s) * self.rate.states_per_s >= self.rate.states_burst


def _full() -> BacklogFullError:
    return BacklogFullError("too much of this session is undelivered already; post it again later")
