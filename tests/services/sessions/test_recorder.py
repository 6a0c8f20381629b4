from dataclasses import replace
from functools import partial
from pathlib import Path

from openwa_manager.domain.session.decisions import Decisions
from openwa_manager.domain.session.lifecycle import begin
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import Session, SessionId, Spec
from openwa_manager.services.sessions.recorder import Recorder
from openwa_manager.store.database import Database
from openwa_manager.store.messaging import queues
from openwa_manager.store.sessions.registry import load_sessions

SESSION = Session(
    session_id=SessionId("a"), spec=Spec(engine="simulator"), engine_key="k", created_at=1.0, updated_at=1.0
)


def a_batch(*, is_gone: bool = False) -> Decisions:
    return Decisions(session=SESSION, deadlines={}, policy=Policy(), is_gone=is_gone)


async def test_a_new_session_is_on_disk_once_its_first_batch_is(tmp_path: Path) -> None:
    async with Database(tmp_path / "manager.db") as database:
        recorder, born = Recorder(database), begin(SESSION)
        recorder.begin(born.steps, born.events)
        was_on_disk = recorder.is_on_disk

        stored = await recorder.record(a_batch(), [])

        assert (was_on_disk, recorder.is_on_disk, recorder.has_unsaved) == (False, True, False)
        assert [(each.event.type, each.event.session_seq) for each in stored] == [("session.created", 1)]


async def test_a_session_is_on_disk_although_there_was_no_room_for_what_came_later(tmp_path: Path) -> None:
    async with Database(tmp_path / "manager.db") as database:
        recorder = Recorder(database)
        await recorder.record(a_batch(), [])

        recorder.keep_unsaved(a_batch())

        assert (recorder.is_on_disk, recorder.has_unsaved) == (True, True)


async def test_the_events_of_a_session_are_numbered_even_if_its_first_room_on_disk_is_its_end(tmp_path: Path) -> None:
    async with Database(tmp_path / "manager.db") as database:
        recorder, born = Recorder(database), begin(SESSION)
        recorder.begin(born.steps, born.events)
        batch = a_batch(is_gone=True)
        batch.events.append(replace(born.events[0], type="session.deleted"))

        stored = await recorder.record(batch, [])

        told = [(each.event.type, each.event.session_seq) for each in stored]
        assert told == [("session.created", 1), ("session.deleted", 2)]
        assert await database.read(load_sessions) == []


async def test_with_a_session_goes_what_was_known_of_its_queue(tmp_path: Path) -> None:
    async with Database(tmp_path / "manager.db") as database:
        recorder = Recorder(database)
        await recorder.record(a_batch(), [])
        await database.write(partial(queues.set_paused, session_id=SESSION.session_id, is_paused=True))

        await recorder.record(a_batch(is_gone=True), [])

        assert not (await database.read(partial(queues.read_queue, session_id=SESSION.session_id))).is_paused


async def test_a_new_session_does_not_take_over_the_queue_of_a_former_one(tmp_path: Path) -> None:
    async with Database(tmp_path / "manager.db") as database:
        await database.write(partial(queues.set_paused, session_id=SESSION.session_id, is_paused=True))
        recorder, born = Recorder(database), begin(SESSION)
        recorder.begin(born.steps, born.events)

        await recorder.record(a_batch(), [])

        assert not (await database.read(partial(queues.read_queue, session_id=SESSION.session_id))).is_paused
