"""The numbers for who watches the daemon: exact where the database keeps them, and none is had by reading messages."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.messaging.messages import Hold, HoldCode, MessageId, MessageStatus, Move
from openwa_manager.domain.messaging.outcomes import Answered
from openwa_manager.metrics.scrape import MessageNumbers
from openwa_manager.metrics.tallies import SendTally
from openwa_manager.services.messaging.control.numbers import MessageMeter
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import queues
from openwa_manager.store.messaging.moves import move
from tests.services.messaging.sending.queue_setup import NOW, Rig, rig
from tests.store.messaging.samples import SESSION, new_message


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as each:
        yield each


async def numbers(made: Rig) -> MessageNumbers:
    return await MessageMeter(made.records, made.queues, made.tally).read()


async def test_what_was_sent_is_counted_once_however_far_it_gets(made: Rig) -> None:
    message = await made.keep(new_message(at=NOW, expires_at=NOW + 900.0))
    await made.until(message.message_id, MessageStatus.SENT)
    read = Move(to=MessageStatus.READ, at=NOW, is_ack=True)

    await made.records.write(partial(move, message_id=message.message_id, step=read))

    assert (await numbers(made)).totals == {("api", "sent"): 1}


async def test_what_was_unknown_and_then_proven_counts_as_both(made: Rig) -> None:
    made.queues.hold(SESSION, is_first_contact=False)
    message = await made.keep(new_message(at=NOW, expires_at=NOW + 900.0, status=MessageStatus.SENDING))

    def settle(connection: Connection, to: MessageStatus) -> None:
        assert move(connection, MessageId(message.message_id), Move(to=to, at=NOW)) is not None

    await made.records.write(partial(settle, to=MessageStatus.UNKNOWN))
    await made.records.write(partial(settle, to=MessageStatus.SENT))

    assert (await numbers(made)).totals == {("api", "unknown"): 1, ("api", "sent"): 1}


async def test_sends_are_counted_by_what_the_engine_answered(made: Rig) -> None:
    answers = iter([Answered(http_status=429, message_id=None, retry_after_s=2.0), Answered(http_status=201)])
    made.engine.answer = lambda _: next(answers)
    message = await made.keep(new_message(at=NOW, expires_at=NOW + 900.0))
    await made.pass_s(4.0)
    await made.until(message.message_id, MessageStatus.SENT)

    sends = (await numbers(made)).sends

    assert sends.statuses == {"429": 1, "201": 1}
    assert sends.hold.buckets()[-1][1] == 1


async def test_how_long_after_its_gap_a_message_left_is_measured(made: Rig) -> None:
    for _ in range(3):
        await made.keep(new_message(at=NOW, expires_at=NOW + 900.0))

    await made.pass_s(6.0)

    assert (await numbers(made)).sends.lateness.buckets()[-1][1] == 2


async def test_what_waits_is_counted_by_what_holds_it(made: Rig) -> None:
    await made.records.write(partial(queues.set_paused, session_id=SESSION, is_paused=True))
    await made.keep(new_message(at=NOW, expires_at=NOW + 900.0))

    assert (await numbers(made)).waiting == {"queue_paused": 1}


async def test_what_sleeps_is_counted_as_waiting_for_its_time(made: Rig) -> None:
    hold = Hold(code=HoldCode.SEND_AFTER, until=NOW + 50.0)
    await made.keep(new_message(at=NOW, expires_at=NOW + 90.0, hold=hold))

    assert (await numbers(made)).waiting == {"send_after": 1}


async def test_missing_acknowledgements_are_counted(made: Rig) -> None:
    def note(connection: Connection) -> None:
        connection.execute("INSERT INTO queue (session_id, overdue_count) VALUES ('a', 2), ('b', 3)")

    await made.records.write(note)

    assert (await numbers(made)).acks_overdue == 5


def test_a_tally_begins_empty() -> None:
    assert SendTally().statuses == {}
