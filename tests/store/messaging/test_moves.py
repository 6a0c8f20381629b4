import re
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.messaging.batches import Batch, BatchOrigin, BatchState, BatchTerms
from openwa_manager.domain.messaging.messages import (
    BODY_USES,
    FINAL,
    MOVES,
    STANDINGS,
    Attempt,
    AttemptOutcome,
    BatchId,
    BodyUse,
    Hold,
    HoldCode,
    Message,
    MessageError,
    MessageStatus,
    Move,
    Standing,
    UserKey,
)
from openwa_manager.store.messaging import batches, contacts, heads, quotas
from openwa_manager.store.messaging.messages import find_message, read_attempts
from openwa_manager.store.messaging.moves import AttemptEnd, begin_attempt, end_attempt, move
from openwa_manager.store.migrations import migrate
from tests.source import PACKAGE, name_of
from tests.store.messaging.samples import MONTH, SESSION, counted, kept, new_message, tally

S = MessageStatus


def test_what_was_sent_has_no_body_any_more_and_is_told_once(connection: sqlite3.Connection) -> None:
    message = kept(connection, new_message(quota_month=MONTH))
    begun = begin_attempt(connection, message.message_id, Attempt(number=0, at=1001.0, key="k"))
    assert begun is not None

    sent = move(connection, message.message_id, Move(to=S.SENT, at=1002.0, whatsapp_message_id="3EB0"))
    again = move(connection, message.message_id, Move(to=S.SENT, at=1003.0, whatsapp_message_id="3EB0"))

    assert sent is not None
    assert again is None
    assert [event.type for event in sent.events] == ["message.sent"]
    assert sent.events[0].data["message_id"] == "3EB0"
    found = find_message(connection, message.message_id)
    assert found == sent.after
    assert found.body is None
    assert found.times.sent_at == found.times.ended_at == 1002.0
    use = quotas.read_quota(connection, message.origin.user_key, MONTH)
    assert (use.used_count, use.reserved_count) == (1, 0)


def test_an_acknowledgement_that_overtakes_the_others_tells_that_it_was_sent_too(
    connection: sqlite3.Connection,
) -> None:
    message = kept(connection)
    begin_attempt(connection, message.message_id, Attempt(number=0, at=1.0))

    read = move(connection, message.message_id, Move(to=S.READ, at=2.0, is_ack=True))
    late = move(connection, message.message_id, Move(to=S.DELIVERED, at=3.0, is_ack=True))

    assert read is not None
    assert [event.type for event in read.events] == ["message.sent", "message.read"]
    assert read.after.times.delivered_at == 2.0
    assert late is None


def test_a_message_put_back_sleeps_until_it_is_due(connection: sqlite3.Connection) -> None:
    message = kept(connection)
    begin_attempt(connection, message.message_id, Attempt(number=0, at=1.0))
    hold = Hold(code=HoldCode.RETRYING, detail="the engine was busy", until=50.0)

    back = move(connection, message.message_id, Move(to=S.QUEUED, at=2.0, hold=hold, due_at=50.0))

    assert back is not None
    assert back.after.hold == hold
    assert back.events == ()
    (sub_queue,) = heads.read_sub_queues(connection, SESSION)
    assert heads.read_head(connection, SESSION, sub_queue) is None
    assert heads.next_due_at(connection, SESSION) == 50.0
    assert heads.wake_due(connection, SESSION, 50.0) == 1
    head = heads.read_head(connection, SESSION, sub_queue)
    assert head is not None
    assert head.hold is None


def test_attempts_are_numbered_and_keep_what_became_of_them(connection: sqlite3.Connection) -> None:
    message = kept(connection)
    first = begin_attempt(connection, message.message_id, Attempt(number=0, at=1.0, engine_version="0.25.0", key="k"))
    assert first is not None
    end_attempt(
        connection, first.after, AttemptEnd(at=2.0, outcome=AttemptOutcome.PUT_OFF, http_status=503, next_at=7.0)
    )
    move(connection, message.message_id, Move(to=S.QUEUED, at=2.0))
    second = begin_attempt(connection, message.message_id, Attempt(number=0, at=7.0))
    assert second is not None

    attempts = read_attempts(connection, [second.after])[message.message_id]

    assert [each.number for each in attempts] == [1, 2]
    assert (attempts[0].outcome, attempts[0].http_status, attempts[0].next_at) == ("put_off", 503, 7.0)
    assert attempts[1].outcome is None


def test_what_is_sent_makes_its_chat_known_to_all_that_waits_for_it(connection: sqlite3.Connection) -> None:
    first = kept(connection, new_message(is_first_contact=True))
    other = kept(connection, new_message(is_first_contact=True))
    elsewhere = kept(connection, new_message(is_first_contact=True, chat_id="491701234567@c.us"))
    begin_attempt(connection, first.message_id, Attempt(number=0, at=1.0))

    move(connection, first.message_id, Move(to=S.SENT, at=2.0))

    assert contacts.is_known(connection, SESSION, "85212345678@c.us")
    firsts = [find_message(connection, each.message_id) for each in (first, other, elsewhere)]
    assert [each.recipient.is_first_contact for each in firsts if each] == [True, False, True]
    assert tally(connection) == counted(connection)


@pytest.mark.parametrize("failed", [S.FAILED, S.BOUNCED, S.UNKNOWN])
@pytest.mark.parametrize("stops", [True, False])
def test_what_did_not_get_through_calls_off_what_waits_behind_it_in_a_batch_that_stops(
    connection: sqlite3.Connection, failed: MessageStatus, *, stops: bool
) -> None:
    batch = Batch(
        batch_id=BatchId("batch_1"),
        origin=BatchOrigin(session_id=SESSION),
        state=BatchState.ACTIVE,
        terms=BatchTerms(expires_at=9000.0, stops_on_error=stops),
        accepted_count=4,
        created_at=1000.0,
    )
    batches.add_batch(connection, batch)
    before, sent, ended, behind = (kept(connection, new_message(batch_id=batch.batch_id)) for _ in range(4))
    alone = kept(connection)
    for message in (sent, ended):
        move(connection, message.message_id, Move(to=S.SENDING, at=2.0))
    move(connection, sent.message_id, Move(to=S.SENT, at=3.0))
    moved = move(connection, ended.message_id, Move(to=failed, at=3.0))
    move(connection, sent.message_id, Move(to=S.FAILED, at=4.0))

    def status(message: Message) -> MessageStatus | None:
        found = find_message(connection, message.message_id)
        return found.status if found else None

    assert moved is not None
    assert [status(each) for each in (before, alone)] == [S.QUEUED, S.QUEUED]
    assert status(behind) is (S.CANCELLED if stops else S.QUEUED)
    assert [each.type for each in moved.events] == ["message.failed"]
    assert tally(connection) == counted(connection)


def test_a_message_in_a_batch_that_is_being_taken_in_is_nobody_s(connection: sqlite3.Connection) -> None:
    connection.execute(
        """INSERT INTO batch (batch_id, session_id, user_key, route, state, expires_at, accepted_count, rejected,
            created_at) VALUES ('batch_1', ?, 'user:1', 'api', 'staging', 9, 1, '[]', 1)""",
        (SESSION,),
    )
    message = kept(connection, new_message(batch_id=BatchId("batch_1")))

    assert find_message(connection, message.message_id) is None
    assert heads.read_sub_queues(connection, SESSION) == []
    assert move(connection, message.message_id, Move(to=S.CANCELLED, at=2.0)) is None


STEPS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(list(S)), st.booleans(), st.booleans()), min_size=1, max_size=60
)


@given(steps=STEPS)
def test_whatever_is_tried_only_the_table_s_steps_are_taken_and_all_counts_agree(
    steps: list[tuple[int, MessageStatus, bool, bool]],
) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    ids = [kept(connection, new_message(quota_month=MONTH, chat_id=f"4917012345{n}@c.us")).message_id for n in range(5)]
    model = dict.fromkeys(ids, S.QUEUED)
    told: dict[str, list[str]] = {each: [] for each in ids}

    for number, to, is_ack, by_us in steps:
        message_id = ids[number]
        error = MessageError(code="refused") if to in FINAL else None
        moved = move(connection, message_id, Move(to=to, at=5.0, error=error, is_ack=is_ack, by_us=by_us))
        assert (moved is not None) == (to in MOVES[model[message_id]])
        if moved is not None:
            model[message_id] = to
            told[message_id] += [event.type for event in moved.events]

    for message_id, status in model.items():
        found = find_message(connection, message_id)
        assert found is not None
        assert found.status is status
        assert (found.body is None) == (BODY_USES[status] is BodyUse.NOTHING)
        assert (found.times.ended_at is not None) == (status in FINAL)
        assert told[message_id].count("message.sent") <= 1
        assert told[message_id].count("message.read") <= 1
    standings = [STANDINGS[status] for status in model.values()]
    use = quotas.read_quota(connection, find_by(connection, ids[0]), MONTH)
    assert use.used_count == standings.count(Standing.BOOKED)
    assert use.reserved_count == standings.count(Standing.RESERVED)
    assert tally(connection) == counted(connection)
    connection.close()


def find_by(connection: sqlite3.Connection, message_id: str) -> UserKey:
    found = find_message(connection, message_id)
    assert found is not None
    return found.origin.user_key


def test_only_moves_changes_the_state_of_a_message() -> None:
    write = re.compile(r"UPDATE message\s+SET(?:(?!WHERE)[^\"])*?\bstatus\s*=")

    assert [name_of(path) for path in PACKAGE if write.search(path.read_text("utf-8"))] == [
        "openwa_manager/store/messaging/moves.py"
    ]
