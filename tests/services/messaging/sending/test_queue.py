import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from openwa_manager.domain.messaging.messages import BatchId, Hold, HoldCode, MessageStatus, Priority
from openwa_manager.domain.messaging.outcomes import Answered, NoAnswer, NotReached
from openwa_manager.domain.messaging.pacing import ProfileName
from openwa_manager.domain.session.reasons import Restriction
from openwa_manager.domain.session.session import LinkState, ProcessState
from openwa_manager.services.messaging.acceptance.forecasting import LaneForecast, lane_facts
from openwa_manager.services.messaging.control.views import QueueViews
from openwa_manager.services.messaging.sending.choosing import Rest, choose
from openwa_manager.store.messaging import queues
from openwa_manager.store.messaging.messages import read_attempts
from tests.services.messaging.sending.queue_setup import NOW, Asked, rig
from tests.store.messaging.samples import SESSION, new_message

S = MessageStatus


async def test_a_message_is_sent_at_once_and_told(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        message = await made.keep(new_message(at=NOW, expires_at=NOW + 100))

        sent = await made.until(message.message_id, S.SENT)

        assert sent.whatsapp_message_id == "3EB00001"
        assert [each.text for each in made.engine.asked] == ["hello"]
        assert made.told() == ["message.sent"]


async def test_the_gap_begins_when_the_answer_is_there(tmp_path: Path) -> None:
    async with rig(tmp_path, gap_s=1.5) as made:
        made.engine.send_s = 2.0
        messages = [await made.keep(new_message(at=NOW, expires_at=NOW + 900)) for _ in range(3)]

        await made.pass_s(12.0)

        assert [(await made.find(each.message_id)).status for each in messages] == [S.SENT] * 3
        starts = [each.at - NOW for each in made.engine.asked]
        assert all(later - earlier >= 3.5 for earlier, later in pairwise(starts))
        assert made.engine.in_flight_max == 1


async def test_singles_go_before_a_batch_and_each_in_order_of_arrival(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.change(link=LinkState.DISCONNECTED)
        for text, priority in (
            ("b1", Priority.LOW),
            ("s1", Priority.NORMAL),
            ("b2", Priority.LOW),
            ("s2", Priority.NORMAL),
        ):
            await made.keep(new_message(text=text, priority=priority, at=NOW, expires_at=NOW + 900))
        await made.idle()
        assert made.engine.asked == []

        made.change(link=LinkState.CONNECTED)
        made.queues.wake(SESSION)
        await made.pass_s(12.0, step_s=1.0)

        assert [each.text for each in made.engine.asked] == ["s1", "s2", "b1", "b2"]


async def test_what_is_put_off_is_tried_after_its_pause_and_then_sent(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        answers = [Answered(http_status=503, retry_after_s=2.0), Answered(http_status=201, message_id="3EB0")]
        made.engine.answer = lambda _: answers.pop(0)
        message = await made.keep(new_message(at=NOW, expires_at=NOW + 900))

        await made.idle()
        held = await made.find(message.message_id)
        await made.pass_s(10.0, step_s=10.0)
        sent = await made.until(message.message_id, S.SENT)

        assert held.hold is not None
        assert held.hold.code is HoldCode.RETRYING
        attempts = (await made.records.read(lambda c: read_attempts(c, [sent])))[sent.message_id]
        assert [each.outcome for each in attempts] == ["put_off", "sent"]


async def test_no_answer_without_a_key_is_unknown_and_never_asked_again(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.engine.answer = lambda _: NoAnswer(detail="the line broke")
        message = await made.keep(new_message(at=NOW, expires_at=NOW + 900))

        unknown = await made.until(message.message_id, S.UNKNOWN)
        await made.pass_s(800.0, step_s=800.0)

        assert unknown.error is not None
        assert len(made.engine.asked) == 1
        assert made.engine.asked[0].key is None
        assert made.told() == ["message.failed"]


async def test_no_answer_with_a_key_is_asked_again_under_the_same_key_while_others_go_on(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.engine.version = "0.25.0"
        lost = [True]

        def answer(asked: Asked) -> Answered | NoAnswer:
            if asked.text == "lost" and lost:
                lost.clear()
                return NoAnswer(detail="the line broke")
            return Answered(http_status=201, message_id=f"id-{asked.text}")

        made.engine.answer = answer
        message = await made.keep(new_message(text="lost", at=NOW, expires_at=NOW + 900))
        other = await made.keep(new_message(text="other", at=NOW, expires_at=NOW + 900))
        await made.pass_s(2.0, step_s=2.0)
        await made.until(other.message_id, S.SENT)
        assert (await made.find(message.message_id)).status is S.SENDING

        await made.pass_s(6.0, step_s=6.0)
        sent = await made.until(message.message_id, S.SENT)

        assert sent.whatsapp_message_id == "id-lost"
        keys = [each.key for each in made.engine.asked if each.text == "lost"]
        assert keys == [f"owm-{message.message_id}-1"] * 2


async def test_an_engine_that_limits_holds_the_queue_and_uses_no_attempt(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        answers = [Answered(http_status=429, retry_after_s=5.0), Answered(http_status=201, message_id="3EB0")]
        made.engine.answer = lambda _: answers.pop(0)
        message = await made.keep(new_message(at=NOW, expires_at=NOW + 900))
        await made.idle()
        await made.pass_s(4.0, step_s=4.0)
        assert (await made.find(message.message_id)).status is S.QUEUED

        await made.pass_s(2.0, step_s=2.0)
        await made.until(message.message_id, S.SENT)

        assert made.told() == ["message.sent"]


async def test_a_number_that_is_not_on_whatsapp_bounces_and_costs_no_gap(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.exists["491701234567@c.us"] = False
        bounced = await made.keep(
            new_message(chat_id="491701234567@c.us", is_first_contact=True, at=NOW, expires_at=NOW + 900)
        )
        other = await made.keep(new_message(at=NOW, expires_at=NOW + 900))

        await made.until(other.message_id, S.SENT)

        assert (await made.find(bounced.message_id)).status is S.BOUNCED
        assert len(made.engine.asked) == 1


async def test_a_restriction_holds_first_contacts_and_lets_known_chats_go_on(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.engine.restriction = Restriction(kind="reachout_timelock", expires_at="2027-01-15T08:05:00Z")
        made.engine.answer = lambda asked: (
            Answered(http_status=500)
            if asked.text == "stranger" and made.clock.now().at < NOW + 240
            else Answered(http_status=201, message_id=asked.text)
        )
        stranger = await made.keep(
            new_message(
                text="stranger", chat_id="491701234567@c.us", is_first_contact=True, at=NOW, expires_at=NOW + 9e4
            )
        )
        await made.idle()
        friend = await made.keep(new_message(text="friend", at=NOW, expires_at=NOW + 900))
        await made.pass_s(2.0, step_s=2.0)
        await made.until(friend.message_id, S.SENT)
        assert (await made.find(stranger.message_id)).status is S.QUEUED

        row = await made.records.read(lambda c: queues.read_queue(c, SESSION))
        assert row.limit is not None
        assert row.limit.until is not None
        await made.pass_s(
            row.limit.until - made.clock.now().at + 1.0, step_s=row.limit.until - made.clock.now().at + 1.0
        )

        await made.until(stranger.message_id, S.SENT)


async def test_what_has_no_more_time_expires_while_the_session_is_down(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.change(link=LinkState.UNKNOWN, process=ProcessState.STOPPED)
        message = await made.keep(new_message(at=NOW, expires_at=NOW + 50))
        await made.pass_s(60.0, step_s=60.0)

        expired = await made.until(message.message_id, S.EXPIRED)

        assert expired.error is not None
        assert made.told() == ["message.failed"]


async def test_a_session_that_was_away_for_too_long_sends_no_batch_by_itself(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.change(link=LinkState.DISCONNECTED)
        await made.records.write(
            lambda c: c.execute(
                """INSERT INTO batch (batch_id, session_id, user_key, route, state, expires_at, accepted_count,
                    rejected, created_at) VALUES ('batch_1', ?, 'user:1', 'api', 'active', ?, 1, '{}', 1)""",
                (SESSION, NOW + 9e5),
            )
        )
        message = await made.keep(
            new_message(batch_id=BatchId("batch_1"), priority=Priority.LOW, at=NOW, expires_at=NOW + 9e5)
        )
        await made.idle()
        await made.pass_s(86_500.0, step_s=86_500.0)

        made.change(link=LinkState.CONNECTED)
        made.queues.wake(SESSION)
        await made.idle()

        assert (await made.find(message.message_id)).status is S.QUEUED
        assert made.engine.asked == []


async def test_another_number_holds_all_that_waits_until_a_person_lets_it_go(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        first = await made.keep(new_message(at=NOW, expires_at=NOW + 900))
        await made.until(first.message_id, S.SENT)
        made.change(link=LinkState.DISCONNECTED)
        message = await made.keep(new_message(at=NOW, expires_at=NOW + 900))
        await made.idle()

        made.change(link=LinkState.CONNECTED, phone_number="85299999999")
        made.queues.wake(SESSION)
        await made.pass_s(10.0, step_s=10.0)
        assert (await made.find(message.message_id)).status is S.QUEUED
        assert "queue.held" in made.told()

        await made.records.write(lambda c: queues.set_paused(c, SESSION, is_paused=False))
        made.queues.wake(SESSION)
        await made.until(message.message_id, S.SENT)


async def test_a_request_of_the_gateway_takes_its_turn_among_the_messages(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        first = await made.keep(new_message(text="single", at=NOW, expires_at=NOW + 900))
        await made.until(first.message_id, S.SENT)
        batch = await made.keep(new_message(text="batch", priority=Priority.LOW, at=NOW, expires_at=NOW + 900))
        order: list[str] = []

        async def send() -> None:
            async with made.queues.turn(SESSION, 20.0):
                order.append("gateway")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send())
            await made.pass_s(5.0)
        await made.until(batch.message_id, S.SENT)

        assert order == ["gateway"]
        assert made.engine.asked[-1].text == "batch"
        assert made.engine.asked[-1].at - made.engine.asked[0].at >= 3.0


async def test_an_engine_that_is_not_reached_is_left_alone_for_a_while(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.engine.answer = lambda _: NotReached(detail="nobody listens")
        await made.keep(new_message(at=NOW, expires_at=NOW + 900))

        await made.pass_s(60.0, step_s=1.0)

        assert 4 <= len(made.engine.asked) <= 8
        assert made.told() == []


async def test_careful_sessions_space_strangers_widely(tmp_path: Path) -> None:
    async with rig(tmp_path, profile=ProfileName.CAREFUL) as made:
        for number in range(7):
            await made.keep(
                new_message(
                    text=f"s{number}",
                    chat_id=f"4917012345{number:02}@c.us",
                    is_first_contact=True,
                    at=NOW,
                    expires_at=NOW + 9e5,
                )
            )
        await made.pass_s(600.0, step_s=10.0)

        strangers = [each.at for each in made.engine.asked]
        assert len(strangers) == 5  # the first day's cap
        assert all(later - earlier >= 45.0 for earlier, later in pairwise(strangers))


async def test_what_is_told_of_strangers_counts_their_gap_and_their_cap(tmp_path: Path) -> None:
    async with rig(tmp_path, profile=ProfileName.CAREFUL) as made:
        paces = made.parts.paces
        forecast = LaneForecast(made.records, made.clock, paces.zone, lane_facts(paces))
        views = QueueViews(made.queues, made.records, made.clock, paces, forecast)
        for number in range(7):
            chat_id = f"4917012345{number:02}@c.us"
            await made.keep(new_message(chat_id=chat_id, is_first_contact=True, at=NOW, expires_at=NOW + 9e5))

        view = await views.view(SESSION)
        told = [made.queues.estimate_at(SESSION, ahead, is_first_contact=True) for ahead in range(6)]

        assert view.first_contacts_left == 4
        assert told[0] == pytest.approx(NOW + 45.0, abs=1.0)
        assert told[3] == pytest.approx(NOW + 4 * 45.0, abs=20.0)
        assert told[4:] == [None, None]  # the cap of today is reached before
        assert made.queues.estimate_at(SESSION, 0, is_first_contact=False) == pytest.approx(NOW + 1.5, abs=0.1)
        tomorrow = NOW - NOW % 86_400.0 + 86_400.0
        assert view.estimated_at is not None
        assert tomorrow < view.estimated_at < tomorrow + 100.0
        await made.pass_s(tomorrow - NOW, step_s=1_200.0)
        await made.pass_s(150.0, step_s=5.0)
        assert made.engine.asked[-1].at == pytest.approx(view.estimated_at, abs=60.0)


async def test_an_idle_queue_rests_until_it_is_woken(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        message = await made.keep(new_message(at=NOW, expires_at=NOW + 900))
        await made.until(message.message_id, S.SENT)
        await made.idle()

        situation = await made.queues.situation(SESSION)

        assert choose(situation) == Rest(until_boot_s=None)


async def test_a_message_for_later_waits_for_its_time(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        hold = Hold(code=HoldCode.SEND_AFTER, until=NOW + 300.0)
        message = await made.keep(new_message(hold=hold, at=NOW, expires_at=NOW + 900))
        await made.pass_s(299.0, step_s=299.0)
        assert made.engine.asked == []

        await made.pass_s(2.0, step_s=2.0)

        await made.until(message.message_id, S.SENT)
