from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.services.changes import Changes
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.messaging import messages
from openwa_manager.store.messaging.position import Position, read_position
from tests.fakes.clock import FakeClock
from tests.store.messaging.samples import new_message


def _fail(connection: Connection) -> None:
    messages.add_message(connection, new_message())
    raise ValueError("a fault")


async def test_a_change_its_event_and_the_position_are_one(tmp_path: Path) -> None:
    changes, noted, heard = Changes(), list[Position](), list[StoredEvent]()
    changes.events_stored.subscribe(heard.extend)
    async with Database(tmp_path / "manager.db") as database:
        records = MessageRecords(database, FakeClock(), changes, noted.append)
        told = Event(type="manager.started", occurred_at=1.0)

        message = await records.tell(lambda connection: (messages.add_message(connection, new_message()), [told]))
        with pytest.raises(ValueError, match="a fault"):
            await records.write(_fail)
        found = await records.read(partial(messages.find_message, message_id=message.message_id))

        assert found == message
        assert [each.event.type for each in heard] == ["manager.started"]
        assert noted == [Position(0, 1)]
        assert (await records.read(read_position))[0] == noted[0]
