from pathlib import Path

from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.services.changes import Changes
from openwa_manager.services.delivery.announcer import Announcer
from openwa_manager.store.database import Database
from tests.fakes.clock import FakeClock


async def test_an_event_of_the_daemon_itself_is_stored_and_told(tmp_path: Path) -> None:
    changes, told = Changes(), list[StoredEvent]()
    changes.events_stored.subscribe(told.extend)

    async with Database(tmp_path / "manager.db") as database:
        await Announcer(database, FakeClock(), changes).announce("manager.started", version="1")

    assert [(each.event.type, each.event.data, each.event.session_id) for each in told] == [
        ("manager.started", {"version": "1"}, None)
    ]
