import asyncio
import json
from pathlib import Path

from openwa_manager.domain.access.audit import NewEntry
from openwa_manager.domain.delivery.events import EventClass, StoredEvent, class_of
from openwa_manager.services.access.audit import Audit
from openwa_manager.services.access.audit_heads import PERIOD_S, AuditHeads
from openwa_manager.services.changes import Changes
from openwa_manager.services.delivery.announcer import Announcer
from openwa_manager.store.database import Database
from openwa_manager.webhooks.envelope import write_body
from tests.fakes.clock import FakeClock
from tests.fakes.polling import until
from tests.reference.told import differences


async def test_the_newest_hash_is_told_every_day(tmp_path: Path) -> None:
    clock, changes, heard = FakeClock(), Changes(), list[StoredEvent]()
    changes.events_stored.subscribe(heard.extend)
    async with Database(tmp_path / "manager.db") as database, asyncio.TaskGroup() as tasks:
        audit = Audit(database, clock)
        await audit.record(NewEntry(actor="shop", action="session.stop"))
        running = tasks.create_task(AuditHeads(clock, audit, Announcer(database, clock, changes)).run())
        await clock.until_sleeping()

        await clock.advance(PERIOD_S)
        await until(lambda: len(heard) == 1)

        ends = await audit.chain_ends()
        running.cancel()
    assert heard[0].event.type == "audit.head"
    assert heard[0].event.data == {"audit_head": ends.head_hash.hex(), "audit_seq": 1}
    assert list(differences(json.loads(write_body(heard[0].id, heard[0].event, "host")))) == []


def test_the_newest_hash_is_never_dropped() -> None:
    assert class_of("audit.head") is EventClass.STATE
