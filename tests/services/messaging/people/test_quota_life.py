"""What a user has taken of a month is what his messages say, whoever asks at once, and whenever all of it is killed."""

import asyncio
import os
import signal
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from openwa_manager.domain.messaging.messages import (
    STANDINGS,
    Attempt,
    Message,
    MessageStatus,
    Move,
    Standing,
    key_of_user,
    may_move,
)
from openwa_manager.services.changes import Changes
from openwa_manager.services.messaging.people.quotas import Quotas
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.messaging import messages, moves, quotas
from openwa_manager.store.messaging.quotas import QuotaUse
from tests.fakes.clock import FakeClock
from tests.store.messaging.samples import new_message

USER = key_of_user("1")
HONG_KONG = ZoneInfo("Asia/Hong_Kong")
#: 2026-11-30 15:59:59.5 UTC, half a second before December begins in Hong Kong.
MONTHS_END = 1_796_054_399.5

WRITER = """
import asyncio, random, sys
from functools import partial
from pathlib import Path
from openwa_manager.services.changes import Changes
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Database
from tests.fakes.clock import FakeClock
from tests.services.messaging.people.test_quota_life import accept, go_on

async def live(records, number):
    chance = random.Random(number)
    while True:
        message = await records.write(partial(accept, month="2026-11"))
        while message is not None:
            print(".", flush=True)
            message = await records.write(partial(go_on, message=message, draw=chance.random()))

async def main():
    async with Database(Path(sys.argv[1])) as database, asyncio.TaskGroup() as tasks:
        records = MessageRecords(database, FakeClock(), Changes(), lambda _: None)
        for number in range(4):
            tasks.create_task(live(records, number))

asyncio.run(main())
"""


def accept(connection: Connection, month: str) -> Message | None:
    """Take a message in, as far as the quota goes."""
    if not quotas.reserve(connection, USER, month, 1):
        return None
    return messages.add_message(connection, new_message(quota_month=month))


def go_on(connection: Connection, message: Message, draw: float) -> Message | None:
    """Take one of the steps that a message may take; None: it has come to its end."""
    steps = sorted(step for step in MessageStatus if may_move(message.status, step))
    if not steps:
        return None
    to = steps[int(draw * len(steps))]
    if to is MessageStatus.SENDING:
        begun = moves.begin_attempt(connection, message.message_id, Attempt(number=0, at=1.0))
        return begun.after if begun else None
    moved = moves.move(connection, message.message_id, Move(to=to, at=2.0))
    return moved.after if moved else None


def counted(connection: Connection, month: str) -> Counter[Standing]:
    """Return what the messages of a month say."""
    sql = "SELECT status, count(*) FROM message WHERE user_key = ? AND quota_month = ? GROUP BY status"
    found = Counter[Standing]()
    for status, count in connection.execute(sql, (USER, month)):
        found[STANDINGS[MessageStatus(status)]] += count
    return found


async def agree(database: Database, month: str) -> QuotaUse:
    use = await database.read(partial(quotas.read_quota, user_key=USER, month=month))
    found = await database.read(partial(counted, month=month))
    assert (use.reserved_count, use.used_count) == (found[Standing.RESERVED], found[Standing.BOOKED])
    return use


@pytest.mark.parametrize("count", [1, 40, 150])
async def test_a_kill_between_any_two_steps_leaves_the_quota_right(tmp_path: Path, count: int) -> None:
    path = tmp_path / "manager.db"
    for _ in range(2):
        writer = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(path), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[4]
        )
        assert writer.stdout is not None
        for _ in range(count):
            assert await writer.stdout.readline()

        os.kill(writer.pid, signal.SIGKILL)

        await writer.stdout.read()
        await writer.wait()
        async with Database(path) as database:
            use = await agree(database, "2026-11")
            assert use.used_count + use.reserved_count <= count * 10


async def test_many_who_ask_at_once_get_no_more_than_there_is(tmp_path: Path) -> None:
    async with Database(tmp_path / "manager.db") as database:
        await database.write(partial(quotas.set_limit, user_key=USER, limit=20))

        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(database.write(partial(accept, month="2026-11"))) for _ in range(60)]

        assert sum(each.result() is not None for each in asking) == 20
        assert await agree(database, "2026-11") == QuotaUse(limit=20, used_count=0, reserved_count=20)


async def test_a_write_that_fails_midway_takes_nothing(tmp_path: Path) -> None:
    def fail(connection: Connection) -> None:
        accept(connection, "2026-11")
        raise ValueError("midway")

    async with Database(tmp_path / "manager.db") as database:
        with pytest.raises(ValueError, match="midway"):
            await database.write(fail)

        assert (await agree(database, "2026-11")).reserved_count == 0


async def test_a_month_ends_at_midnight_where_it_is_counted(tmp_path: Path) -> None:
    clock = FakeClock(at=MONTHS_END)
    async with Database(tmp_path / "manager.db") as database:
        quotas_of = Quotas(MessageRecords(database, clock, Changes(), lambda _: None), clock, HONG_KONG)
        await quotas_of.set_limit("1", 1)
        message = await database.write(partial(accept, month="2026-11"))
        assert message is not None
        before = await quotas_of.show("1")

        await clock.advance(1.0)

        after = await quotas_of.show("1")
        assert (before.use.left, before.resets_at) == (0, MONTHS_END + 0.5)
        assert (after.use.left, after.use.reserved_count) == (1, 0)
        assert after.resets_at == MONTHS_END + 0.5 + 31 * 86_400
        for to in (MessageStatus.SENDING, MessageStatus.SENT):
            await database.write(
                partial(moves.move, message_id=message.message_id, step=Move(to=to, at=clock.now().at))
            )
        assert (await quotas_of.show("1")).use.used_count == 0
        assert (await agree(database, "2026-11")).used_count == 1


async def test_a_lower_limit_stops_acceptance_only(tmp_path: Path) -> None:
    async with Database(tmp_path / "manager.db") as database:
        for _ in range(3):
            await database.write(partial(accept, month="2026-11"))
        await database.write(partial(quotas.set_limit, user_key=USER, limit=1))

        assert await database.write(partial(accept, month="2026-11")) is None
        assert await agree(database, "2026-11") == QuotaUse(limit=1, used_count=0, reserved_count=3)


async def test_what_was_settled_as_failed_gives_its_share_back(tmp_path: Path) -> None:
    async with Database(tmp_path / "manager.db") as database:
        message = await database.write(partial(accept, month="2026-11"))
        assert message is not None
        reserved = []
        for to in (MessageStatus.SENDING, MessageStatus.UNKNOWN, MessageStatus.FAILED):
            await database.write(partial(moves.move, message_id=message.message_id, step=Move(to=to, at=1.0)))
            reserved.append((await agree(database, "2026-11")).reserved_count)

        assert reserved == [1, 1, 0]
