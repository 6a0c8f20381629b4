"""A slow read that many ask for is made for all of them at once."""

import asyncio

import pytest

from openwa_manager.processes.reading.table import CoalescedRead
from tests.fakes.clock import FakeClock


class Slow:
    """A read that is slow, and counts how often it is made."""

    def __init__(self) -> None:
        self.count = 0
        self.fails = False

    def read(self) -> int:
        self.count += 1
        if self.fails:
            raise OSError("no more files")
        return self.count


async def test_callers_that_arrive_together_share_a_read() -> None:
    slow = Slow()
    shared = CoalescedRead(slow.read)

    async with asyncio.TaskGroup() as tasks:
        results = [tasks.create_task(shared.get()) for _ in range(100)]

    assert [result.result() for result in results] == [1, *[2] * 99]


async def test_a_later_caller_never_gets_an_older_result() -> None:
    shared = CoalescedRead(Slow().read)

    assert [await shared.get() for _ in range(3)] == [1, 2, 3]


async def test_after_a_read_it_rests_for_as_long_and_who_arrives_meanwhile_shares_the_next() -> None:
    clock, loop, slow = FakeClock(), asyncio.get_running_loop(), Slow()

    def read_for_2_s() -> int:
        asyncio.run_coroutine_threadsafe(clock.advance(2.0), loop).result(10)
        return slow.read()

    shared = CoalescedRead(read_for_2_s, clock)
    await shared.get()

    async with asyncio.TaskGroup() as tasks:
        early = tasks.create_task(shared.get())
        await clock.advance(1.9)
        late = tasks.create_task(shared.get())
        assert slow.count == 1
        await clock.advance(0.1)

    assert (early.result(), late.result(), slow.count) == (2, 2, 2)


async def test_a_failed_read_fails_its_caller_only() -> None:
    slow = Slow()
    shared = CoalescedRead(slow.read)
    slow.fails = True
    with pytest.raises(OSError, match="no more files"):
        await shared.get()

    slow.fails = False

    assert await shared.get() == 2
