"""The audit is read in parts, so that nobody who looks for what is rare holds up other readers."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.access.audit import NewEntry
from openwa_manager.domain.access.scopes import scope_of
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.access.audit_trail import AuditTrail
from openwa_manager.store.access import audit
from openwa_manager.store.access.audit import AuditSelection
from openwa_manager.store.database import Connection, Database

ENTRY = NewEntry(actor="shop", action="session.stop", session_id=SessionId("other"))
SCOPED = AuditSelection(scope=scope_of(["acme_*"]))
#: Where the rows of this session lie; all others are another's.
PLACES = (1, 20, 40, 41, 60)


def write(connection: Connection) -> None:
    own = replace(ENTRY, session_id=SessionId("acme_a"))
    audit.append(connection, [(float(at), own if at in PLACES else ENTRY) for at in range(1, 61)])


@pytest.mark.parametrize("window", [1, 3, 19, 20, 60, 61])
async def test_what_is_rare_is_found_over_many_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    monkeypatch.setattr(audit, "_WINDOW", window)
    async with Database(tmp_path / "manager.db") as database:
        await database.write(write)
        trail = AuditTrail(database)

        assert [row.seq for row in await trail.page(0, 100, SCOPED)] == list(PLACES)
        assert [row.seq for row in await trail.page(20, 2, SCOPED)] == [40, 41]
        assert [row.seq for row in await trail.newest(100, SCOPED)] == list(PLACES)
        assert [row.seq for row in await trail.newest(2, SCOPED)] == [41, 60]
        assert [row.seq for row in await trail.newest(2, AuditSelection())] == [59, 60]


async def test_rows_added_by_hand_far_away_end_no_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_WINDOW", 7)
    async with Database(tmp_path / "manager.db") as database:
        await database.write(write)
        for seq in (-(2**62), 2**62):
            await database.write(partial(forge, seq=seq))
        trail = AuditTrail(database)

        assert [row.seq for row in await trail.page(41, 100, SCOPED)] == [60, 2**62]
        assert [row.seq for row in await trail.newest(100, SCOPED)] == [-(2**62), *PLACES, 2**62]


def forge(connection: Connection, seq: int) -> None:
    """Add a row by hand that is like the first one."""
    connection.execute("CREATE TEMP TABLE forged AS SELECT * FROM audit WHERE seq = 1")
    connection.execute("UPDATE forged SET seq = ?", (seq,))
    connection.execute("INSERT INTO audit SELECT * FROM forged")
    connection.execute("DROP TABLE forged")
