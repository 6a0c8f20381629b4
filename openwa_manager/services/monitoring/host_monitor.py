"""Was the host itself asleep or offline? Then nothing may be held against a session, and everybody is asked anew."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog

from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.deadlines import MAX_LATE_S
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.restart import OfflinePolicy
from openwa_manager.domain.session.session import LinkState, Session

_log = structlog.get_logger()

_PERIOD_S = 5.0
#: How long such a burst excuses everybody, unless a session connects earlier.
_BURST_EXCUSES_S = 300.0
_NETWORK = (ReasonCode.NETWORK, ReasonCode.HOST_OFFLINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReactions:
    """Whom the vigil tells: `on_network` when the host went offline or came back, `on_slept` with the seconds lost."""

    on_network: Callable[[], None]
    on_slept: Callable[[float], Awaitable[None]]


class HostMonitor:
    """Looks at the host every few seconds; `has_route` None means the system does not say."""

    def __init__(
        self,
        clock: Clock,
        has_route: Callable[[], bool | None],
        sessions: Callable[[], Iterable[Session]],
        reactions: HostReactions,
        policy: OfflinePolicy,
    ) -> None:
        self._clock = clock
        self._has_route = has_route
        self._sessions = sessions
        self._reactions = reactions
        self._policy = policy
        self._burst_at: float | None = None
        self._looked_boot_s = self._woke_boot_s = clock.now().boot_s
        self.is_offline = False

    def awake_since(self) -> float:
        """Return since when on the boot clock the host has not slept, also if this has not been noticed here yet."""
        now_s = self._clock.now().boot_s
        return now_s if now_s - self._looked_boot_s > _PERIOD_S + MAX_LATE_S else self._woke_boot_s

    async def run(self) -> None:
        """Keep watch until cancelled."""
        while True:
            self._looked_boot_s = self._clock.now().boot_s
            self._look_at_network()
            due_s = self._clock.now().boot_s + _PERIOD_S
            await self._clock.sleep_until(due_s)
            late_s = self._clock.now().boot_s - due_s
            if late_s > MAX_LATE_S:
                _log.warning("host_slept", seconds=round(late_s, 1))
                self._woke_boot_s = self._clock.now().boot_s
                await self._reactions.on_slept(late_s)

    def _look_at_network(self) -> None:
        is_offline = self._has_route() is False or self._is_in_burst()
        if is_offline is self.is_offline:
            return
        self.is_offline = is_offline
        _log.warning("host_offline") if is_offline else _log.info("host_online")
        self._reactions.on_network()

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
        if has_recovered or now - self._burst_at > _BURST_EXCUSES_S:
            self._burst_at = None
        return self._burst_at is not None
