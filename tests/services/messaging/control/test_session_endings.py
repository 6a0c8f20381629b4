"""A session that is deleted leaves no message without an end, and nothing to one that is made again under its id."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.errors import SessionNotFoundError
from openwa_manager.domain.messaging.batches import Batch, BatchOrigin, BatchState, BatchTerms
from openwa_manager.domain.messaging.messages import BatchId, Hold, HoldCode, Kind, MessageStatus, Origin
from openwa_manager.domain.messaging.outcomes import Answered, NoAnswer
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import After, Ending, ProcessState
from openwa_manager.services.messaging.acceptance.rules import require_session
from openwa_manager.services.messaging.control.queue_requests import QueueRequests
from openwa_manager.services.messaging.control.session_endings import SessionEndings
from openwa_manager.store.database import Connection
from openwa_manager.store.delivery import outbox
from openwa_manager.store.messaging import batches, contacts, idempotency, messages, queues, quotas
from openwa_manager.store.messaging.idempotency import Key, KeyScope, Remembered
from openwa_manager.store.messaging.people.aliases import canonical
from openwa_manager.store.sessions import registry
from tests.services.messaging.sending.queue_setup import NOW, Asked, Rig, connected, rig
from tests.store.messaging.samples import MONTH, SESSION, kept, new_message

BATCH = BatchId("batch_1")
MANY = 1203
USER = Origin(session_id=SESSION, user_id="1").user_key


class Deleting:
    """A rig whose session is about to be gone."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.released = list[str]()
        requests = QueueRequests(rig.queues, rig.records, rig.clock, self.release)
        self.endings = SessionEndings(rig.queues, requests, rig.records, rig.clock, self.release)

    async def release(self, owner: str) -> None:
        self.released.append(owner)

    async def statuses(self) -> list[MessageStatus]:
        found = await self.rig.records.read(
            partial(messages.read_messages, session_id=SESSION, wanted=messages.MessageFilter(), limit=10_000)
        )
        return [each.status for each in found]


@pytest.fixture
async def deleting(tmp_path: Path) -> AsyncIterator[Deleting]:
    async with rig(tmp_path) as made:
        made.change(process=ProcessState.STOPPING)
        yield Deleting(made)


def _fill(connection: Connection, count: int) -> None:
    for number in range(count):
        kept(connection, new_message(chat_id=f"852{number:08}@c.us", at=NOW, expires_at=NOW + 90.0, quota_month=MONTH))


async def test_what_waits_is_cancelled_told_and_given_back(deleting: Deleting) -> None:
    rig = deleting.rig
    await rig.records.write(partial(_fill, count=MANY))

    await deleting.endings.settle(SESSION)

    quota = await rig.records.read(partial(quotas.read_quota, user_key=USER, month=MONTH))
    told = [each.event for each in rig.heard]
    assert set(await deleting.statuses()) == {MessageStatus.CANCELLED}
    assert (quota.used_count, quota.reserved_count) == (0, 0)
    assert [each.type for each in told] == ["message.failed"] * MANY
    assert {(each.data["status"], each.data["error_code"]) for each in told} == {("cancelled", "session_deleted")}
    assert [each.session_seq for each in told] == list(range(1, MANY + 1))


async def test_what_sleeps_and_what_is_paused_is_cancelled_too(deleting: Deleting) -> None:
    rig = deleting.rig
    hold = Hold(code=HoldCode.SEND_AFTER, until=NOW + 50.0)
    await rig.records.write(partial(kept, new=new_message(at=NOW, expires_at=NOW + 90.0, hold=hold)))
    await rig.records.write(partial(queues.set_paused, session_id=SESSION, is_paused=True))

    await deleting.endings.settle(SESSION)

    assert await deleting.statuses() == [MessageStatus.CANCELLED]


async def test_a_deletion_that_was_cut_off_goes_on_where_it_was(deleting: Deleting) -> None:
    rig = deleting.rig
    await rig.records.write(partial(_fill, count=MANY))
    first = asyncio.ensure_future(deleting.endings.settle(SESSION))  # noqa: TID251 (the one that is cut off)
    while not rig.heard:
        await rig.database.read(lambda _: None)
    first.cancel()
    left = (await deleting.statuses()).count(MessageStatus.QUEUED)

    await deleting.endings.settle(SESSION)

    assert left > 0
    assert set(await deleting.statuses()) == {MessageStatus.CANCELLED}
    stored = await rig.database.read(partial(outbox.read_events, limit=10_000, max_bytes=10_000_000))
    assert len({each.event.data["manager_message_id"] for each in stored.events}) == len(stored.events) == MANY


async def test_a_message_in_flight_is_unknown_once_its_engine_is_dead(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.engine.version, made.engine.send_s = "0.25.0", 5.0
        made.engine.answer = lambda _: NoAnswer(detail="the line broke")
        message = await made.keep(new_message(at=NOW, expires_at=NOW + 900.0))
        await made.until(message.message_id, MessageStatus.SENDING)
        settling = asyncio.ensure_future(Deleting(made).endings.settle(SESSION))  # noqa: TID251 (beside the clock)
        await made.pass_s(6.0)
        await settling

        found = await made.find(message.message_id)

    assert found.status is MessageStatus.UNKNOWN
    assert made.told()[-1] == "message.failed"


async def test_an_answer_that_comes_while_the_session_is_deleted_counts(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.engine.send_s = 5.0

        def answer(asked: Asked) -> Answered:
            del asked
            return Answered(http_status=201, message_id="3EB0")

        made.engine.answer = answer
        message = await made.keep(new_message(at=NOW, expires_at=NOW + 900.0))
        await made.until(message.message_id, MessageStatus.SENDING)
        settling = asyncio.ensure_future(Deleting(made).endings.settle(SESSION))  # noqa: TID251 (beside the clock)
        await made.pass_s(6.0)
        await settling

        assert (await made.find(message.message_id)).status is MessageStatus.SENT


async def test_a_batch_ends_is_told_and_lets_go_of_its_files(deleting: Deleting) -> None:
    rig = deleting.rig

    def fill(connection: Connection) -> None:
        origin = BatchOrigin(session_id=SESSION, user_id="1", name="autumn")
        terms = BatchTerms(expires_at=NOW + 90.0)
        batch = Batch(
            batch_id=BATCH, origin=origin, state=BatchState.PAUSED, terms=terms, accepted_count=2, created_at=NOW
        )
        batches.add_batch(connection, batch)
        for _ in range(2):
            kept(connection, new_message(batch_id=BATCH, at=NOW, expires_at=NOW + 90.0))

    await rig.records.write(fill)

    await deleting.endings.settle(SESSION)

    batch = await rig.records.read(partial(batches.find_batch, batch_id=BATCH))
    assert batch is not None
    assert (batch.state, batch.ended_at) == (BatchState.CANCELLED, NOW)
    assert rig.told() == ["message.failed", "message.failed", "batch.completed"]
    assert rig.heard[-1].event.data["counts"] == {"cancelled": 2}
    assert deleting.released == [BATCH]


async def test_the_file_of_a_single_message_is_let_go_of(deleting: Deleting) -> None:
    new = new_message(at=NOW, expires_at=NOW + 90.0)
    image = replace(new, body=replace(new.body, kind=Kind.IMAGE, url="https://example.com/a.png"))
    message = await deleting.rig.records.write(partial(kept, new=image))

    await deleting.endings.settle(SESSION)

    assert deleting.released == [message.message_id]


async def test_a_session_that_is_being_deleted_takes_nothing_in(deleting: Deleting) -> None:
    ending = Ending(after=After.DELETE, cause=ReasonCode.REQUESTED)
    going = replace(connected(), process=ProcessState.STOPPING, ending=ending)
    require = partial(require_session, session_id=SESSION)
    await deleting.rig.database.read(require)

    await deleting.rig.database.write(partial(registry.save_session, session=going, steps=(), events=()))

    with pytest.raises(SessionNotFoundError):
        await deleting.rig.database.read(require)


async def test_one_made_again_under_the_id_knows_nothing_of_the_former(deleting: Deleting) -> None:
    rig = deleting.rig
    key = Key(session_id=SESSION, scope=KeyScope.REFERENCE, value="row-1")

    def fill(connection: Connection) -> None:
        message = kept(connection, new_message(at=NOW, expires_at=NOW + 90.0, reference="row-1"))
        idempotency.remember_key(connection, key, Remembered(body_sha256="b", target=message.message_id), NOW)
        contacts.note_known(connection, SESSION, canonical(connection, USER, "85212345678@c.us"), NOW)
        queues.set_paused(connection, SESSION, is_paused=True)

    await rig.records.write(fill)
    await deleting.endings.settle(SESSION)
    await rig.database.write(partial(registry.remove_session, session_id=SESSION))

    await rig.records.write(partial(queues.begin_queue, session_id=SESSION))

    references = partial(messages.find_references, session_id=SESSION, references=["row-1"], since=0.0)
    assert await rig.records.read(partial(idempotency.find_key, key=key)) is None
    assert await rig.records.read(references) == {}
    assert await rig.records.read(partial(messages.find_by_reference, session_id=SESSION, reference="row-1")) is None
    assert not await rig.records.read(partial(contacts.is_known, session_id=SESSION, chat_id="85212345678@c.us"))
    assert not (await rig.records.read(partial(queues.read_queue, session_id=SESSION))).is_paused
    again = await rig.records.write(partial(kept, new=new_message(at=NOW, expires_at=NOW + 90.0, reference="row-1")))
    assert await rig.records.read(references) == {"row-1": again.message_id}
