"""No query reads a whole table, or all that a session ever sent, to find the few rows that it is after.

The planner knows nothing of how many rows there are, so it is told which index to take.
"""

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.messaging.messages import BatchId, HoldCode, user_key_of
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.messaging import batches, contacts, heads, holding, messages, outlook, queues
from openwa_manager.store.messaging.messages import MessageFilter
from openwa_manager.store.messaging.people import erasure, linking, suppressions
from openwa_manager.store.messaging.proofs import evidence
from openwa_manager.store.sessions.registry import save_session
from tests.services.messaging.sending.queue_setup import connected
from tests.store.messaging.samples import SESSION, kept

USER = user_key_of(SESSION, "1")
BATCH = BatchId("batch_x")
Call = Callable[[Connection], object]
CALLS: dict[str, Call] = {
    "a turn": partial(outlook.read_outlook, session_id=SESSION),
    "what was interrupted": partial(outlook.read_interrupted, session_id=SESSION),
    "what sleeps": partial(outlook.count_asleep, session_id=SESSION),
    "what expires": partial(heads.read_expired, session_id=SESSION, now=1.0),
    "what wakes": partial(heads.wake_due, session_id=SESSION, now=1.0),
    "the line": partial(heads.first_in_line, session_id=SESSION, limit=9),
    "what waits": partial(heads.read_waiting, session_id=SESSION, newest_seq=9, limit=9),
    "what waits in a session": partial(heads.waiting_in, session_id=SESSION),
    "what waits on the host": heads.waiting_on_host,
    "the states": partial(heads.count_by_status, session_id=SESSION),
    "what ended": partial(queues.count_ended, session_id=SESSION, since=1.0),
    "a hold": partial(holding.hold, session_id=SESSION, code=HoldCode.NUMBER_CHANGED, detail="", at=1.0),
    "what waits in a batch": partial(batches.read_waiting, batch_id=BATCH),
    "replies": partial(batches.count_replies, batch_id=BATCH),
    "what was being taken in": batches.remove_staging,
    "references": partial(messages.find_references, session_id=SESSION, references=["a", "b"], since=1.0),
    "a reference": partial(messages.find_by_reference, session_id=SESSION, reference="a"),
    "an id of WhatsApp's": partial(messages.find_by_whatsapp_id, session_id=SESSION, whatsapp_id="a"),
    "a chat": partial(messages.read_messages, session_id=SESSION, wanted=MessageFilter(chat_ids=["a", "b"])),
    "a batch": partial(messages.read_messages, session_id=SESSION, wanted=MessageFilter(batch_id=BATCH)),
    "one reference": partial(messages.read_messages, session_id=SESSION, wanted=MessageFilter(reference="a")),
    "who is known": partial(contacts.note_known, session_id=SESSION, chat_id="1@c.us", at=1.0),
    "another number": partial(contacts.forget_some, session_id=SESSION),
    "another name": partial(linking.link, user_key=USER, name="1@c.us", contact="2@lid", at=1.0),
    "who opted out": partial(suppressions.cancel_waiting, user_key=USER, chat_id="1@c.us", at=1.0),
    "who opted out of late": partial(suppressions.added_since, user_key=USER, since=1.0),
    "whom to forget": partial(erasure.remove_ended, user_key=USER, chat_id="1@c.us"),
    "what is not proven": partial(evidence.read_outstanding, session_id=SESSION, now=1.0),
    "what may be proven": partial(evidence.find_candidates, session_id=SESSION, names=["a"], body_sha256="", at=1.0),
}


def plan_of(connection: sqlite3.Connection, call: Call) -> Iterator[str]:
    statements = list[str]()
    connection.set_trace_callback(statements.append)
    call(connection)
    connection.set_trace_callback(None)
    for statement in statements:
        if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE")):
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}"):
                yield f"{row[3]} in {statement}"


@pytest.mark.parametrize("name", CALLS)
async def test_only_what_is_asked_for_is_read(tmp_path: Path, name: str) -> None:
    async with Database(tmp_path / "manager.db") as database:
        await database.write(partial(save_session, session=connected(), steps=(), events=()))
        await database.write(kept)
        plan = await database.write(lambda connection: [*plan_of(connection, CALLS[name])])

    assert plan
    for step in plan:
        assert not step.startswith(("SCAN message ", "SCAN batch", "SCAN suppression")), step
        assert "USING PRIMARY KEY (user_key=?) in" not in step, step
        assert "message_by_session" not in step, step
        assert "USING INDEX message_by_chat (session_id=?) in" not in step, step
        assert name == "whom to forget" or not step.startswith("SCAN message_tally in "), step
