import asyncio

from tests.fakes.clock import FakeClock


async def test_the_fake_clock_wakes_sleepers_in_order_of_their_deadlines() -> None:
    clock = FakeClock(boot_s=100)
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, boot_s: float) -> None:
        await clock.sleep_until(boot_s)
        woken.append((name, clock.now().boot_s))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sleep("late", 103))
        tasks.create_task(sleep("early", 101))
        await clock.advance(5)

    assert woken == [("early", 101), ("late", 103)]
    assert clock.now().boot_s == 105


async def test_the_fake_clock_also_wakes_those_who_fall_asleep_while_it_advances() -> None:
    clock = FakeClock(boot_s=0)
    ticks: list[float] = []

    async def tick() -> None:
        for number in range(1, 4):
            await clock.sleep_until(number)
            ticks.append(clock.now().boot_s)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tick())
        await clock.advance(10)

    assert ticks == [1, 2, 3]


async def test_the_fake_clock_forgets_a_cancelled_sleeper() -> None:
    clock = FakeClock(boot_s=0)

    async with asyncio.TaskGroup() as tasks:
        sleeper = tasks.create_task(clock.sleep_until(10))
        await clock.until_sleeping()
        sleeper.cancel()

    assert clock.deadlines == []


def test_the_fake_wall_clock_jumps_alone() -> None:
    clock = FakeClock(at=1000, boot_s=5)

    clock.jump_wall(-60)

    assert (clock.now().at, clock.now().boot_s) == (940, 5)


async def test_the_fake_clock_forgets_who_was_woken_by_a_flag() -> None:
    clock = FakeClock(boot_s=0)
    flag = asyncio.Event()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(clock.wait(flag, 10))
        await clock.until_sleeping()
        flag.set()

    assert clock.deadlines == []
