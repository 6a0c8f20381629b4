"""What could be one large write, or one long read, is done a slice at a time."""

import sqlite3
from functools import partial
from pathlib import Path

from openwa_manager.domain.messaging.messages import MessageStatus
from openwa_manager.store.database import Database
from openwa_manager.store.messaging import contacts, messages
from openwa_manager.store.messaging.contacts import SLICE
from openwa_manager.store.messaging.messages import MessageFilter, read_some, rows_of
from openwa_manager.store.sessions.registry import save_session
from tests.services.messaging.sending.queue_setup import connected
from tests.store.messaging.samples import SESSION, counted, new_message, tally

CHAT = "85212345678@c.us"


def first_contacts(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT count(*) FROM message WHERE is_first_contact").fetchone()
    return int(count)


async def test_a_chat_for_which_very_much_waits_becomes_known_in_slices(tmp_path: Path) -> None:
    rows = rows_of(new_message(is_first_contact=True) for _ in range(2 * SLICE + 1))
    note = partial(contacts.note_known, session_id=SESSION, chat_id=CHAT, at=1.0)
    async with Database(tmp_path / "manager.db") as database:
        await database.write(lambda c: messages.add_rows(c, rows))
        left = list[int]()
        is_new = list[bool]()
        for _ in range(3):
            is_new.append(await database.write(note))
            left.append(await database.read(first_contacts))
        assert await database.read(tally) == await database.read(counted)

    assert left == [SLICE + 1, 1, 0]
    assert is_new == [True, False, False]


async def test_another_number_knows_nobody_after_some_slices(tmp_path: Path) -> None:
    rows = rows_of(new_message(chat_id=chat_id) for chat_id in (CHAT, "1-2@g.us") for _ in range(SLICE + 1))
    forget = partial(contacts.forget_some, session_id=SESSION)
    async with Database(tmp_path / "manager.db") as database:
        await database.write(partial(save_session, session=connected(), steps=(), events=()))
        await database.write(lambda c: messages.add_rows(c, rows))
        for number in range(SLICE + 1):
            await database.write(partial(contacts.note_known, session_id=SESSION, chat_id=f"{number}@c.us", at=1.0))

        assert [await database.write(forget) for _ in range(2)] == [True, False]

        assert await database.read(first_contacts) == SLICE + 1
        assert not await database.read(partial(contacts.is_known, session_id=SESSION, chat_id="0@c.us"))


async def test_a_rare_state_is_looked_for_a_piece_at_a_time(tmp_path: Path) -> None:
    news = [new_message(status=MessageStatus.SENT if number % 10 else MessageStatus.QUEUED) for number in range(30)]
    wanted = MessageFilter(statuses=[MessageStatus.QUEUED])
    async with Database(tmp_path / "manager.db") as database:
        await database.write(lambda c: messages.add_rows(c, rows_of(news)))
        before_seq, found = None, list[int]()
        while before_seq != 0:
            read = partial(read_some, session_id=SESSION, wanted=wanted, before_seq=before_seq, limit=9, at_most=7)
            some, before_seq = await database.read(read)
            found += [each.seq for each in some]

    assert found == [21, 11, 1]
