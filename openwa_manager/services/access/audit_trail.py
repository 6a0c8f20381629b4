"""Reads the audit, and checks that nobody has changed it."""

import asyncio
from collections.abc import Sequence
from functools import partial

from openwa_manager.domain.access.audit import AuditRow, ChainCheck, ChainEnds, ChainFault
from openwa_manager.domain.values import dataclass
from openwa_manager.store.access import audit
from openwa_manager.store.access.audit import AuditSelection
from openwa_manager.store.database import Database

#: So many rows are checked at a time: 20 ms at most on a busy host, in which other reads wait.
_SLICE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFindings:
    """What a check of all rows found.

    `has_wanted` tells whether a hash that was told earlier is one of the chain; None: nobody asked. `last_seq` is the
    number of the newest row, 0 when there never was one.
    """

    row_count: int
    last_seq: int
    faults: Sequence[ChainFault]
    has_wanted: bool | None

    @property
    def is_intact(self) -> bool:
        """Tell whether nothing was found."""
        return not self.faults and self.has_wanted is not False


class AuditTrail:
    """Reads the rows of the audit; the whole of it is checked for one caller at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._checking = asyncio.Lock()

    async def page(self, after: int, limit: int, selection: AuditSelection) -> list[AuditRow]:
        """Return the first `limit` rows behind `after` that are meant."""
        rows: list[AuditRow] = []
        start: int | None = after
        while start is not None and len(rows) < limit:
            read = partial(audit.window_after, after=start, limit=limit - len(rows), selection=selection)
            window = await self._database.read(read)
            rows += window.rows
            start = window.end
        return rows

    async def newest(self, limit: int, selection: AuditSelection) -> list[AuditRow]:
        """Return the newest `limit` rows that are meant, oldest first."""
        rows: list[AuditRow] = []
        start: int | None = audit.SEQ_MAX
        while start is not None and len(rows) < limit:
            read = partial(audit.window_before, before=start, limit=limit - len(rows), selection=selection)
            window = await self._database.read(read)
            rows += window.rows
            start = window.end
        return rows[::-1]

    async def ends(self) -> ChainEnds:
        """Return between which rows the chain lies."""
        return await self._database.read(audit.chain_ends)

    async def verify(self, wanted: bytes | None = None) -> AuditFindings:
        """Check every row; `wanted` is a hash that was told earlier, which must be one of the chain."""
        async with self._checking:
            check = ChainCheck(await self.ends(), wanted)
            while await self._database.read(partial(audit.check_some, check=check, limit=_SLICE)):
                pass
        return AuditFindings(
            row_count=check.row_count,
            last_seq=check.seq,
            faults=check.faults,
            has_wanted=None if wanted is None else check.has_wanted,
        )
