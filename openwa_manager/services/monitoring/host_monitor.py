"""Notices when the host was asleep or is offline: nothing that comes of that may be held against a session."""

import math
from collections.abc import Callable, Iterable, Mapping

import structlog

from openwa_manager.domain.ports import Clock, Instant
from openwa_manager.domain.session.deadlines import MAX_LATE_S
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.restart import OfflinePolicy
from openwa_manager.domain.session.session import LinkState, Session, SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.changes import Changes
from openwa_manager.services.delivery.announcer import Announcer
from openwa_manager.services.host_state import LOOK_PERIOD_S, HostState

_log = structlog.get_logger()

#: How long many links lost at once count as the host being offline, unless a session connects earlier.
_BURST_LASTS_S = 300.0
_NETWORK = (ReasonCode.NETWORK, ReasonCode.HOST_OFFLINE)


class OfflineDetector:
    """Tells whether the host has no network: it has no default route, or many sessions lost their link at once.

    `has_route` returns None when the system does not say. When a link was lost, and when one came back, is counted on
    the boot clock: with the wall clock set back, every loss of before would seem to be of this moment.
    """

    def __init__(
        self,
        clock: Clock,
        has_route: Callable[[], bool | None],
        sessions: Callable[[], Iterable[Session]],
        policy: OfflinePolicy,
    ) -> None:
        self._clock = clock
        self._has_route = has_route
        self._sessions = sessions
        self._policy = policy
        self._looked: Instant | None = None
        self._losses: Mapping[SessionId, _Loss] = {}
        self._connected: Mapping[SessionId, float] = {}
        self._burst_boot_s: float | None = None

    def is_offline(self) -> bool:
        """Tell it as of now."""
        return self._has_route() is False or self._is_in_burst()

    def _is_in_burst(self) -> bool:
        now, sessions = self._clock.now(), tuple(self._sessions())
        connected = {each.session_id: each.connected_at for each in sessions if each.connected_at is not None}
        has_recovered = any(self._connected.get(session_id) != at for session_id, at in connected.items())
        self._losses = {each.session_id: self._loss_of(each, now) for each in sessions if _has_lost_network(each)}
        self._connected, self._looked = connected, now
        recent_count = sum(now.boot_s - loss.boot_s <= self._policy.window_s for loss in self._losses.values())
        if recent_count >= self._policy.sessions:
            self._burst_boot_s = now.boot_s
        elif self._burst_boot_s is not None and (has_recovered or now.boot_s - self._burst_boot_s > _BURST_LASTS_S):
            self._burst_boot_s = None
        return self._burst_boot_s is not None

    def _loss_of(self, session: Session, now: Instant) -> "_Loss":
        """Return since when the session's link is lost: a loss not known at the last look is no older than that."""
        lost_at = session.reason.at if session.reason else now.at
        known = self._losses.get(session.session_id)
        if known is not None and known.lost_at == lost_at:
            return known
        age_s = now.at - lost_at
        if self._looked is not None:
            age_s = min(max(age_s, 0.0), now.boot_s - self._looked.boot_s)
        elif age_s < 0:
            age_s = math.inf  # of a daemon before this one, and the clock was set back since
        return _Loss(lost_at=lost_at, boot_s=now.boot_s - age_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loss:
    """When a session lost its link: as its reason says (wall time), and on the boot clock."""

    lost_at: float
    boot_s: float


def _has_lost_network(session: Session) -> bool:
    return session.link is LinkState.DISCONNECTED and session.reason is not None and session.reason.code in _NETWORK


class HostMonitor:
    """Looks at the host every few seconds, and writes what it sees into the host's state."""

    def __init__(
        self, clock: Clock, detector: OfflineDetector, state: HostState, changes: Changes, announcer: Announcer
    ) -> None:
        self._clock = clock
        self._detector = detector
        self._state = state
        self._changes = changes
        self._announcer = announcer

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._state.note_look()
            self._look_at_network()
            due_s = self._clock.now().boot_s + LOOK_PERIOD_S
            await self._clock.sleep_until(due_s)
            late_s = self._clock.now().boot_s - due_s
            if late_s > MAX_LATE_S:
                await self._note_sleep(late_s)

    def _look_at_network(self) -> None:
        is_offline = self._detector.is_offline()
        if is_offline is self._state.is_offline:
            return
        self._state.is_offline = is_offline
        _log.warning("host_offline") if is_offline else _log.info("host_online")
        self._changes.network_changed.publish(is_offline)

    async def _note_sleep(self, slept_s: float) -> None:
        _log.warning("host_slept", seconds=round(slept_s, 1))
        self._state.note_wake()
        self._changes.host_slept.publish(slept_s)
        await self._announcer.announce("host.slept", slept_s=round(slept_s, 1))
