"""Logs the calls of those nobody knows: counted and short, so that they cannot fill the disk with our log."""

import asyncio

import structlog
from aiohttp import web

from openwa_manager.api.admission.shown import shown_path
from openwa_manager.api.request_keys import CLIENT

_log = structlog.get_logger()

#: At most one line in this time.
_PERIOD_S = 60.0


class RefusalLog:
    """Tells of the first refused call at once, and of those that follow once a minute, how many and which was last."""

    def __init__(self) -> None:
        self._count = 0
        self._is_waiting = False
        self._last: dict[str, object] = {}

    def note(self, request: web.Request, status: int) -> None:
        """Take note of a call that was refused before anybody knew who asked."""
        self._count += 1
        self._last = {
            "method": request.method[:20],
            "path": shown_path(request),
            "status": status,
            "peer": str(client) if (client := request.get(CLIENT)) else request.remote,
        }
        if not self._is_waiting:
            self._tell()

    def _tell(self) -> None:
        self._is_waiting = self._count > 0
        if self._count:
            _log.info("requests_refused", count=self._count, **self._last)
            self._count = 0
            asyncio.get_running_loop().call_later(_PERIOD_S, self._tell)
