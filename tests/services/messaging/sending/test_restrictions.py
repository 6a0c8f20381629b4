"""A restricted account writes to nobody new, or to nobody at all, until that is over."""

from functools import partial
from pathlib import Path

from openwa_manager.domain.messaging.messages import MessageStatus as S
from openwa_manager.domain.messaging.outcomes import Answered
from openwa_manager.domain.messaging.pacing import ProfileName
from openwa_manager.store.messaging import queues
from openwa_manager.store.messaging.queues import AccountLimit
from tests.services.messaging.sending.queue_setup import NOW, Asked, Rig, rig
from tests.store.messaging.samples import SESSION, new_message


async def restrict(made: Rig, kind: str, until: float | None) -> None:
    at, limit = made.clock.now().at, AccountLimit(kind=kind, until=until)
    await made.records.write(partial(queues.note_limit, session_id=SESSION, limit=limit, at=at))
    made.queues.wake(SESSION)


async def test_a_timelock_lets_known_chats_go_and_holds_the_others_until_its_end(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await restrict(made, "reachout_timelock", NOW + 30.0)
        new = await made.keep(new_message(at=NOW, expires_at=NOW + 900, is_first_contact=True))
        known = await made.keep(new_message(at=NOW, expires_at=NOW + 900))
        await made.until(known.message_id, S.SENT)
        held = made.queues.hold(SESSION, is_first_contact=True)
        assert (await made.find(new.message_id)).status is S.QUEUED

        await made.pass_s(32.0, step_s=8.0)
        await made.until(new.message_id, S.SENT)

    assert held is not None
    assert held.until == NOW + 30.0


async def test_a_lifted_restriction_is_seen_within_a_minute(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await restrict(made, "tos_block", None)
        message = await made.keep(new_message(at=NOW, expires_at=NOW + 900))
        assert (await made.find(message.message_id)).status is S.QUEUED

        await made.records.write(partial(queues.note_limit, session_id=SESSION, limit=None, at=NOW))
        await made.pass_s(60.0, step_s=20.0)
        await made.until(message.message_id, S.SENT)


async def test_an_answer_says_nothing_against_what_the_engine_told_meanwhile(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.engine.send_s = 5.0

        def answer(asked: Asked) -> Answered:
            del asked
            return Answered(http_status=201, message_id="3EB0")

        made.engine.answer = answer
        message = await made.keep(new_message(at=NOW, expires_at=NOW + 900, is_first_contact=True))
        await made.until(message.message_id, S.SENDING)
        await made.pass_s(1.0)
        await restrict(made, "reachout_timelock", NOW + 600.0)
        await made.pass_s(5.0)
        await made.until(message.message_id, S.SENT)

        row = await made.records.read(partial(queues.read_queue, session_id=SESSION))

    assert row.limit is not None


async def test_what_was_taken_from_another_account_holds_nothing(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        first = await made.keep(new_message(at=NOW, expires_at=NOW + 900))
        await made.until(first.message_id, S.SENT)
        await restrict(made, "tos_block", None)

        made.change(phone_number="85299999999")
        made.queues.wake(SESSION)
        await made.idle()

        assert (await made.records.read(partial(queues.read_queue, session_id=SESSION))).limit is None


async def test_that_the_breaker_opens_is_told_once(tmp_path: Path) -> None:
    async with rig(tmp_path, profile=ProfileName.CAREFUL) as made:
        made.engine.answer = lambda _: Answered(http_status=400, code="bad", text="bad")
        for _ in range(7):
            await made.keep(new_message(at=NOW, expires_at=NOW + 90_000))

        await made.pass_s(30.0, step_s=2.0)

        held = [each.event.data for each in made.heard if each.event.type == "queue.held"]

    assert held == [{"hold": "breaker_open", "waiting": 0}]
