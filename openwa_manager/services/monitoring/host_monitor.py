"""Notices when the host was asleep or is offline: nothing that comes of that may be held against a session."""

from collections.abc import Callable, Iterable

import structlog

from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.deadlines import MAX_LATE_S
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.restart import OfflinePolicy
from openwa_manager.domain.session.session import LinkState, Session
from openwa_manager.services.changes import Changes
from openwa_manager.services.delivery.announcer import Announcer
from openwa_manager.services.host_state import LOOK_PERIOD_S, HostState

_log = structlog.get_logger()

#: How long many links lost at once count as the host being offline, unless a session connects earlier.
_BURST_LASTS_S = 300.0
_NETWORK = (ReasonCode.NETWORK, ReasonCode.HOST_OFFLINE)


class OfflineDetector:
    """Tells whether the host has no network: it has no default route, or many sessions lost their link at once.

    `has_route` returns None when the system does not say.
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
        self._burst_at: float | None = None

    def is_offline(self) -> bool:
        """Tell it as of now."""
        return self._has_route() is False or self._is_in_burst()

    def _is_in_burst(self) -> bool:
        now = self._clock.now().at
        dropped_at = [
            each.reason.at
            for each in self._sessions()
            if each.link is LinkState.DISCONNECTED and each.reason and each.reason.code in _NETWORK
        ]
        if sum(now - at <= self._policy.window_s for at in dropped_at) >= self._policy.sessions:
            self._burst_at = now
        if self._burst_at is None:
            return False
        has_recovered = any((each.connected_at or 0.0) > self._burst_at for each in self._sessions())
        if has_recovered or now - self._burst_at > _BURST_LASTS_S:
            self._burst_at = None
        return self._burst_at is not None


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
