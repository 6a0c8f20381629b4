"""OpenWA's rate limits: three windows per handler and client."""

import time
from dataclasses import dataclass

from openwa_manager.simulator.http.errors import HttpError, throttled
from openwa_manager.simulator.settings import RateLimit


@dataclass(slots=True)
class _Window:
    """The requests of one client to one handler since `started_at` (monotonic seconds)."""

    started_at: float
    count: int = 0


class Throttle:
    """Counts requests in windows that start with the first one; `is_plain`: a refusal has the usual header too."""

    def __init__(self, limits: tuple[RateLimit, ...], *, is_plain: bool = False) -> None:
        self._limits = limits
        self._is_plain = is_plain
        self._windows: dict[tuple[str, str], _Window] = {}

    def admit(self, handler: str) -> dict[str, str]:
        """Count a request and return its headers. Raises: HttpError with the headers of the exhausted window."""
        now = time.monotonic()
        headers: dict[str, str] = {}
        for limit in self._limits:
            window = self._windows.get((handler, limit.name))
            if window is None or now >= window.started_at + limit.ttl_s:
                window = self._windows[handler, limit.name] = _Window(now)
            if window.count == limit.limit:
                # The refusal blocks for a whole window from here on, as nestjs/throttler does.
                window.started_at = now
            window.count += 1
            left_s = max(1, round(window.started_at + limit.ttl_s - now))
            if window.count > limit.limit:
                refused = throttled(limit.name, left_s, is_plain=self._is_plain)
                raise HttpError(429, refused.body, headers | refused.headers)
            headers[f"X-RateLimit-Limit-{limit.name}"] = str(limit.limit)
            headers[f"X-RateLimit-Remaining-{limit.name}"] = str(limit.limit - window.count)
            headers[f"X-RateLimit-Reset-{limit.name}"] = str(left_s)
        return headers
