import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.errors import QueueFullError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.messaging.pacing import Pacing
from tests.fakes.clock import FakeClock, settle

ACME, OTHER = SessionId("acme"), SessionId("other")
Log = list[tuple[str, float]]


async def say(pacing: Pacing, clock: FakeClock, log: Log, name: str, session_id: SessionId = ACME) -> None:
    """Send one message that takes no time."""
    async with pacing.turn(session_id, 30.0):
        log.append((name, clock.now().boot_s - 1000.0))


async def refused(pacing: Pacing, patience_s: float = 30.0) -> int | None:
    """Return after how many seconds a message may be tried again; None when it had its turn."""
    try:
        async with pacing.turn(ACME, patience_s):
            return None
    except QueueFullError as error:
        return error.retry_after_s


def paced(clock: FakeClock, chance: Callable[[], float] = lambda: 0.5) -> Pacing:
    return Pacing(clock, chance, 1.0, 2.0)


async def test_messages_have_their_turns_in_order_of_arrival_with_a_gap_after_each() -> None:
    clock, log = FakeClock(), Log()
    pacing = paced(clock)
    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(say(pacing, clock, log, name))

        await clock.advance(10)

    assert log == [("a", 0.0), ("b", 1.5), ("c", 3.0)]


async def test_sessions_do_not_wait_for_each_other() -> None:
    clock, log = FakeClock(), Log()
    pacing = paced(clock)

    await say(pacing, clock, log, "a")
    await say(pacing, clock, log, "b", OTHER)

    assert log == [("a", 0.0), ("b", 0.0)]


async def test_the_gap_begins_when_the_message_is_sent() -> None:
    clock, log = FakeClock(), Log()
    pacing = paced(clock)

    async with asyncio.TaskGroup() as group:
        async with pacing.turn(ACME, 30.0):
            group.create_task(say(pacing, clock, log, "next"))
            await clock.advance(5)
        await clock.advance(5)

    assert log == [("next", 6.5)]


async def test_no_gap_follows_a_turn_in_which_nothing_was_sent() -> None:
    clock, log = FakeClock(), Log()
    pacing = paced(clock)
    async with pacing.turn(ACME, 30.0) as turn:
        turn.was_used = False

    await say(pacing, clock, log, "next")

    assert log == [("next", 0.0)]


async def test_a_gap_that_has_passed_is_not_waited_for() -> None:
    clock, log = FakeClock(), Log()
    pacing = paced(clock)
    await say(pacing, clock, log, "a")
    await clock.advance(1.5)

    await say(pacing, clock, log, "b")

    assert log == [("a", 0.0), ("b", 1.5)]


@given(chance=st.floats(0, 1, exclude_max=True))
async def test_the_gap_lies_between_its_bounds(chance: float) -> None:
    clock, log = FakeClock(), Log()
    pacing = paced(clock, lambda: chance)
    async with asyncio.TaskGroup() as group:
        for name in "ab":
            group.create_task(say(pacing, clock, log, name))

        await clock.advance(10)

    assert 1.0 <= log[1][1] <= 2.0


async def test_who_cannot_have_his_turn_in_time_is_told_so_at_once() -> None:
    clock = FakeClock()
    pacing = paced(clock)
    async with asyncio.TaskGroup() as group:
        held = [group.create_task(refused(pacing)) for _ in range(31)]
        await settle()

        assert await refused(pacing) == 31
        assert clock.now().boot_s == 1000.0
        await clock.advance(100)

    assert [each.result() is None for each in held] == [True] * 21 + [False] * 10  # the gaps were longer than 1 s


async def test_who_is_held_too_long_by_a_hung_message_is_refused() -> None:
    clock = FakeClock()
    pacing = paced(clock)
    async with asyncio.TaskGroup() as group, pacing.turn(ACME, 30.0):
        held = group.create_task(refused(pacing))

        await clock.advance(29)
        assert not held.done()
        await clock.advance(1)

        assert held.result() == 1


async def test_a_gap_that_ends_after_the_deadline_refuses_and_the_next_comes_in() -> None:
    clock, log = FakeClock(), Log()
    pacing = paced(clock)
    async with asyncio.TaskGroup() as group:
        async with pacing.turn(ACME, 30.0):
            impatient = group.create_task(refused(pacing, 1.2))
            group.create_task(say(pacing, clock, log, "patient"))
            await clock.advance(1)
        await clock.advance(5)

        assert impatient.result() == 4  # 1.5 s of this gap, then one message with a gap of its own

    assert log == [("patient", 2.5)]


async def test_one_that_hangs_up_while_waiting_leaves_no_hole() -> None:
    clock, log = FakeClock(), Log()
    pacing = paced(clock)
    async with asyncio.TaskGroup() as group:
        async with pacing.turn(ACME, 30.0):
            gone = group.create_task(say(pacing, clock, log, "gone"))
            group.create_task(say(pacing, clock, log, "next"))
            await settle()
            gone.cancel()
            await settle()
        await clock.advance(5)

    assert log == [("next", 1.5)]


async def test_one_that_hangs_up_in_the_moment_of_its_turn_hands_it_on() -> None:
    clock, log = FakeClock(), Log()
    pacing = paced(clock)
    async with asyncio.TaskGroup() as group:
        async with pacing.turn(ACME, 30.0):
            gone = group.create_task(say(pacing, clock, log, "gone"))
            group.create_task(say(pacing, clock, log, "next"))
            await settle()
        gone.cancel()
        await clock.advance(5)

    assert log == [("next", 1.5)]


async def test_one_that_hangs_up_during_the_gap_hands_its_turn_on() -> None:
    clock, log = FakeClock(), Log()
    pacing = paced(clock)
    await say(pacing, clock, log, "first")
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(say(pacing, clock, log, "gone"))
        group.create_task(say(pacing, clock, log, "next"))
        await clock.advance(1)
        gone.cancel()
        await clock.advance(5)

    assert log == [("first", 0.0), ("next", 1.5)]


async def test_a_message_that_fails_counts_as_sent() -> None:
    clock, log = FakeClock(), Log()
    pacing = paced(clock)
    with pytest.raises(ValueError, match="broken"):
        async with pacing.turn(ACME, 30.0):
            raise ValueError("broken")
    async with asyncio.TaskGroup() as group:
        group.create_task(say(pacing, clock, log, "next"))
        await clock.advance(5)

    assert log == [("next", 1.5)]


async def test_without_a_gap_nobody_waits_for_anybody() -> None:
    clock, log = FakeClock(), Log()
    pacing = Pacing(clock, lambda: 0.5, 0.0, 0.0)

    async with pacing.turn(ACME, 30.0):
        await say(pacing, clock, log, "meanwhile")

    assert log == [("meanwhile", 0.0)]
