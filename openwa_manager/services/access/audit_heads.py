"""Tells the outside once a day how far the audit has come, so that it cannot be made anew unseen."""

from typing import Final

import structlog

from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.domain.ports import Clock
from openwa_manager.services.access.audit import Audit
from openwa_manager.services.delivery.announcer import Announcer
from openwa_manager.store.database import SqliteError

_log = structlog.get_logger()

PERIOD_S: Final = 86_400.0


class AuditHeads:
    """Announces the audit's newest hash every day; `manager.started` carries it too."""

    def __init__(self, clock: Clock, audit: Audit, announcer: Announcer) -> None:
        self._clock = clock
        self._audit = audit
        self._announcer = announcer

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._clock.sleep_until(self._clock.now().boot_s + PERIOD_S)
            try:
                ends = await self._audit.chain_ends()
            except (OpenwaManagerError, SqliteError) as error:
                _log.warning("audit_head_not_told", error=str(error))
            else:
                await self._announcer.announce("audit.head", audit_head=ends.head_hash.hex(), audit_seq=ends.head_seq)
