import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.errors import QueueFullError
from openwa_manager.domain.messaging.messages import HoldCode, MessageStatus
from openwa_manager.domain.messaging.outcomes import EngineLimited
from openwa_manager.domain.messaging.pacing import ProfileName
from openwa_manager.domain.session.session import LinkState, SessionId
from openwa_manager.store.messaging import queues
from openwa_manager.store.sessions.registry import save_session
from tests.services.messaging.sending.queue_setup import NOW, Rig, connected, rig
from tests.store.messaging.samples import SESSION, new_message

OTHER = SessionId("other")


@dataclass
class Callers:
    """Requests of the gateway that send for a moment, and when each did (seconds from the beginning)."""

    rig: Rig
    log: list[tuple[str, float]] = field(default_factory=list)

    async def say(self, name: str, session_id: SessionId = SESSION, *, is_first_contact: bool = False) -> None:
        async with self.rig.queues.turn(session_id, 30.0, is_first_contact=is_first_contact):
            self.log.append((name, self.rig.clock.now().at - NOW))

    async def refused(self, patience_s: float = 30.0) -> int | None:
        """Return after how many seconds a request may come again; None when it had its turn."""
        try:
            async with self.rig.queues.turn(SESSION, patience_s):
                return None
        except QueueFullError as error:
            return error.retry_after_s


async def test_requests_have_their_turns_in_order_of_arrival_with_a_gap_after_each(tmp_path: Path) -> None:
    async with rig(tmp_path) as made, asyncio.TaskGroup() as group:
        callers = Callers(made)
        for name in "abc":
            group.create_task(callers.say(name))
        await made.idle()
        await made.pass_s(10)

    assert callers.log == [("a", 0.0), ("b", 1.5), ("c", 3.0)]


async def test_sessions_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async with rig(tmp_path) as made, asyncio.TaskGroup() as group:
        made.sessions[OTHER] = connected(OTHER)
        await made.database.write(partial(save_session, session=connected(OTHER), steps=(), events=()))
        callers = Callers(made)
        for name, session_id in (("a", SESSION), ("b", OTHER)):
            group.create_task(callers.say(name, session_id))
        await made.idle()

    assert {(name, at) for name, at in callers.log} == {("a", 0.0), ("b", 0.0)}


async def test_the_gap_begins_when_the_request_was_answered(tmp_path: Path) -> None:
    async with rig(tmp_path) as made, asyncio.TaskGroup() as group:
        callers = Callers(made)
        async with made.queues.turn(SESSION, 30.0):
            group.create_task(callers.say("next"))
            await made.pass_s(5)
        await made.pass_s(5)

    assert callers.log == [("next", 6.5)]


async def test_no_gap_follows_a_turn_in_which_nothing_was_sent(tmp_path: Path) -> None:
    async with rig(tmp_path) as made, asyncio.TaskGroup() as group:
        callers = Callers(made)
        async with made.queues.turn(SESSION, 30.0) as turn:
            turn.was_used = False
        group.create_task(callers.say("next"))
        await made.idle()

    assert callers.log == [("next", 0.0)]


async def test_a_gap_that_has_passed_is_not_waited_for(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        callers = Callers(made)
        await callers.say("a")
        await made.pass_s(1.5)

        await callers.say("b")

    assert callers.log == [("a", 0.0), ("b", 1.5)]


async def test_who_cannot_have_his_turn_in_time_is_told_so_at_once(tmp_path: Path) -> None:
    async with rig(tmp_path) as made, asyncio.TaskGroup() as group:
        callers = Callers(made)
        held = [group.create_task(callers.refused()) for _ in range(20)]
        await made.idle()

        assert await callers.refused(29.0) == 30
        assert made.clock.now().at == NOW
        await made.pass_s(40)

    assert [each.result() for each in held] == [None] * 20


async def test_who_is_held_too_long_by_a_hung_request_is_refused(tmp_path: Path) -> None:
    async with rig(tmp_path) as made, asyncio.TaskGroup() as group, made.queues.turn(SESSION, 30.0):
        held = group.create_task(Callers(made).refused())
        await made.pass_s(29)
        assert not held.done()

        await made.pass_s(1)

        assert held.result() == 2


async def test_a_gap_that_ends_too_late_refuses_and_the_next_comes_in(tmp_path: Path) -> None:
    async with rig(tmp_path) as made, asyncio.TaskGroup() as group:
        callers = Callers(made)
        async with made.queues.turn(SESSION, 30.0):
            impatient = group.create_task(callers.refused(1.6))
            group.create_task(callers.say("patient"))
            await made.pass_s(1)
        await made.pass_s(5)

        assert impatient.result() == 3

    assert callers.log == [("patient", 2.5)]


@pytest.mark.parametrize("comes_s", [0.0, 1.0])
async def test_one_that_hangs_up_while_waiting_leaves_no_hole(tmp_path: Path, comes_s: float) -> None:
    async with rig(tmp_path) as made, asyncio.TaskGroup() as group:
        callers = Callers(made)
        await callers.say("first")
        gone = group.create_task(callers.say("gone"))
        group.create_task(callers.say("next"))
        await made.pass_s(comes_s)
        gone.cancel()
        await made.pass_s(5)

    assert callers.log == [("first", 0.0), ("next", 1.5)]


async def test_a_request_that_fails_counts_as_sent(tmp_path: Path) -> None:
    async with rig(tmp_path) as made, asyncio.TaskGroup() as group:
        callers = Callers(made)
        with pytest.raises(ValueError, match="broken"):
            async with made.queues.turn(SESSION, 30.0):
                raise ValueError("broken")
        group.create_task(callers.say("next"))
        await made.pass_s(5)

    assert callers.log == [("next", 1.5)]


async def test_without_a_gap_nobody_waits_for_anybody(tmp_path: Path) -> None:
    async with rig(tmp_path, gap_s=0.0) as made:
        callers = Callers(made)
        async with made.queues.turn(SESSION, 30.0):
            await callers.say("meanwhile")

    assert callers.log == [("meanwhile", 0.0)]


async def test_a_session_without_a_link_lets_requests_pass_for_its_engine_to_answer(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        made.change(link=LinkState.QR_READY)
        callers = Callers(made)

        await callers.say("asked")

    assert callers.log == [("asked", 0.0)]


async def test_a_refusal_by_the_engine_holds_the_messages_and_not_the_next_request(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        callers = Callers(made)
        async with made.queues.turn(SESSION, 30.0) as turn:
            turn.was_used, turn.verdict = False, EngineLimited(after_s=60.0, detail="too many")
        message = await made.keep(new_message(at=NOW, expires_at=NOW + 900))

        await callers.say("next")
        await made.idle()
        hold = made.queues.hold(SESSION, is_first_contact=False)

        assert callers.log == [("next", 0.0)]
        assert (await made.find(message.message_id)).status is MessageStatus.QUEUED
        assert hold is not None
        assert hold.code is HoldCode.ENGINE_LIMITED


async def test_a_paused_queue_refuses_requests_at_once_and_says_why(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await made.records.write(lambda c: queues.set_paused(c, SESSION, is_paused=True))

        with pytest.raises(QueueFullError, match="paused") as refusal:
            async with made.queues.turn(SESSION, 30.0):
                pass

    assert refusal.value.retry_after_s == 60
    assert made.clock.now().at == NOW


async def test_known_chats_do_not_wait_for_first_contacts(tmp_path: Path) -> None:
    async with rig(tmp_path, profile=ProfileName.CAREFUL) as made, asyncio.TaskGroup() as group:
        callers = Callers(made)
        await callers.say("new", is_first_contact=True)
        await made.pass_s(20)
        group.create_task(callers.say("new too", is_first_contact=True))
        await made.idle()
        group.create_task(callers.say("known"))
        await made.idle()
        await made.pass_s(40)

    assert callers.log == [("new", 0.0), ("known", 20.0), ("new too", 45.0)]
