"""Numbers are asked about one at a time, not too fast, and not again while the answer holds."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.messaging.messages import MessageStatus
from openwa_manager.domain.messaging.sightings import ContactFound
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.changes import Changes
from openwa_manager.services.messaging.people.checks import NOT_KNOWN, CheckedChat, ContactChecks
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Database
from openwa_manager.store.messaging.messages import find_message
from openwa_manager.store.messaging.people import suppressions
from openwa_manager.store.sessions.registry import save_session
from tests.fakes.clock import FakeClock
from tests.services.messaging.sending.queue_setup import connected
from tests.store.messaging.samples import kept, new_message

SESSION, OTHER = SessionId("a"), SessionId("b")
ONE, TWO, THREE = "85211111111@c.us", "85222222222@c.us", "85233333333@c.us"
DAY_S = 86_400.0


class Peer:
    """An engine's side of it: who is on WhatsApp, and what it was asked when (boot time)."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.absent: set[str] = set()
        self.is_mute = False
        self.takes_s = 0.0
        self.names: dict[str, str] = {}
        self.asked: list[tuple[str, float]] = []

    async def ask(self, session_id: SessionId, digits: str) -> ContactFound:
        del session_id
        self.asked.append((digits, self.clock.now().boot_s))
        if self.is_mute:
            raise EngineError("it is not connected")
        if self.takes_s:
            await self.clock.sleep_until(self.clock.now().boot_s + self.takes_s)
        exists = digits not in self.absent
        return ContactFound(exists=exists, chat_id=self.names.get(digits, f"{digits}@c.us") if exists else None)


@pytest.fixture
def peer() -> Peer:
    return Peer(FakeClock())


@pytest.fixture
async def checks(tmp_path: Path, peer: Peer) -> AsyncIterator[ContactChecks]:
    async with Database(tmp_path / "manager.db") as database:
        records = MessageRecords(database, peer.clock, Changes(), lambda _: None)
        yield ContactChecks(records, peer.clock, peer.ask, gap_s=1.0)


async def test_a_yes_is_remembered_for_a_week_and_a_no_for_a_day(checks: ContactChecks, peer: Peer) -> None:
    peer.absent.add("85222222222")
    at = peer.clock.now().at

    yes, no = await checks.check(SESSION, ONE), await checks.check(OTHER, TWO)

    assert yes == CheckedChat(chat_id=ONE, is_on_whatsapp=True, checked_at=at)
    assert no == CheckedChat(chat_id=None, is_on_whatsapp=False, checked_at=at)
    await peer.clock.advance(DAY_S + 1)
    assert await checks.check(SESSION, ONE) == yes
    assert (await checks.check(OTHER, TWO)).checked_at != at
    assert [digits for digits, _ in peer.asked] == ["85211111111", "85222222222", "85222222222"]
    await peer.clock.advance(6 * DAY_S)
    await checks.check(SESSION, ONE)
    assert len(peer.asked) == 4


async def test_what_one_session_was_told_no_other_is(checks: ContactChecks, peer: Peer) -> None:
    first = await checks.check(SESSION, ONE)
    await peer.clock.advance(60.0)

    second = await checks.check(OTHER, ONE)

    assert second.is_on_whatsapp
    assert second.checked_at == peer.clock.now().at != first.checked_at  # else he would know that somebody asked
    assert len(peer.asked) == 2


async def test_questions_to_one_session_are_a_gap_apart_and_others_do_not_wait(
    checks: ContactChecks, peer: Peer
) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(checks.check_all(SESSION, [ONE, TWO, ONE]))
        await peer.clock.until_sleeping(1)
        assert (await checks.check(OTHER, THREE)).is_on_whatsapp
        await peer.clock.advance(1.0)

    assert [each.is_on_whatsapp for each in asking.result()] == [True, True, True]
    moments = dict(peer.asked)
    assert moments["85222222222"] - moments["85211111111"] >= 1.0
    assert moments["85233333333"] == moments["85211111111"]
    assert len(peer.asked) == 3


async def test_what_could_not_be_asked_in_time_is_not_known(checks: ContactChecks, peer: Peer) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(checks.check_all(SESSION, [ONE, TWO, THREE], within_s=1.5))
        await peer.clock.until_sleeping(1)
        await peer.clock.advance(1.0)

    assert [each.is_on_whatsapp for each in asking.result()] == [True, True, None]
    assert len(peer.asked) == 2


async def test_an_engine_that_says_nothing_is_asked_once(checks: ContactChecks, peer: Peer) -> None:
    await checks.check(SESSION, TWO)
    await peer.clock.advance(5.0)
    peer.is_mute = True

    found = await checks.check_all(SESSION, [ONE, TWO, THREE])

    assert [each.is_on_whatsapp for each in found] == [None, True, None]
    assert found[0] == NOT_KNOWN
    assert len(peer.asked) == 2


async def test_a_chat_that_tells_no_number_is_not_asked_about(checks: ContactChecks, peer: Peer) -> None:
    assert await checks.check(SESSION, "123@lid") == NOT_KNOWN
    assert await checks.check_all(SESSION, ["123@lid"]) == [NOT_KNOWN]
    assert peer.asked == []


async def test_two_who_ask_about_one_number_at_once_cost_one_question(checks: ContactChecks, peer: Peer) -> None:
    async with asyncio.TaskGroup() as tasks:
        both = [tasks.create_task(checks.check(SESSION, ONE)) for _ in range(2)]

    assert [each.result().is_on_whatsapp for each in both] == [True, True]
    assert len(peer.asked) == 1


async def test_who_opted_out_under_the_name_that_an_engine_tells_is_not_written_to(tmp_path: Path, peer: Peer) -> None:
    peer.names["85211111111"] = "99887766554433@lid"
    async with Database(tmp_path / "other.db") as database:
        await database.write(partial(save_session, session=connected(), steps=(), events=()))
        records = MessageRecords(database, peer.clock, Changes(), lambda _: None)
        new = new_message(chat_id=ONE, is_first_contact=True)
        message = await records.write(lambda connection: kept(connection, new))
        opt_out = partial(suppressions.add, user_key=new.origin.user_key, reason="opted_out", at=1.0)
        await records.write(partial(opt_out, chat_id="99887766554433@lid"))

        is_there = await ContactChecks(records, peer.clock, peer.ask, gap_s=0.0).is_on_whatsapp(message)

        found = await records.read(partial(find_message, message_id=message.message_id))
    assert is_there
    assert found is not None
    assert found.status is MessageStatus.CANCELLED
