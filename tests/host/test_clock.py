import asyncio
import threading
import time

from openwa_manager.domain.ports import Clock
from openwa_manager.host.clock import SystemClock
from tests.fakes.clock import FakeClock


def test_the_boot_clock_never_goes_back() -> None:
    clock: Clock = SystemClock()

    moments = [clock.now() for _ in range(100)]

    assert [moment.boot_s for moment in moments] == sorted(moment.boot_s for moment in moments)


def test_wall_time_is_in_seconds_since_the_epoch() -> None:
    before = time.time_ns()

    at = SystemClock().now().at

    assert before / 1e9 - 1 < at < time.time_ns() / 1e9 + 1


async def test_a_sleeper_never_wakes_early() -> None:
    clock = SystemClock()
    due_s = clock.now().boot_s + 0.02

    await clock.sleep_until(due_s)

    assert clock.now().boot_s >= due_s


class DozingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still while the host sleeps, as the real one does; the test says when."""

    def __init__(self) -> None:
        self._lost_s = 0.0
        self._dozed_s: float | None = None
        super().__init__()

    def time(self) -> float:
        return (super().time() if self._dozed_s is None else self._dozed_s) - self._lost_s

    def doze(self) -> None:
        self._dozed_s = super().time()

    def wake(self) -> None:
        assert self._dozed_s is not None
        self._lost_s += super().time() - self._dozed_s
        self._dozed_s = None


def test_a_deadline_that_passed_while_the_host_slept_is_met_soon_after_it_woke() -> None:
    loop, clock = DozingLoop(), SystemClock(look_s=0.05)
    sleepers = [0.8, 0.9, 3600.0]

    async def sleep() -> float:
        begun_s = clock.now().boot_s
        async with asyncio.TaskGroup() as tasks:
            *due, never = [tasks.create_task(clock.sleep_until(begun_s + seconds)) for seconds in sleepers]
            await asyncio.sleep(0)
            loop.doze()
            threading.Timer(1.0, loop.wake).start()
            await asyncio.wait(due)
            never.cancel()
        return clock.now().boot_s - begun_s

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        slept_s = runner.run(sleep())

    assert 1.0 <= slept_s < 1.7  # those timers, left alone, would have rung after 1.8 s and more


async def test_a_deadline_in_the_past_is_met_at_once() -> None:
    clock = SystemClock()

    async with asyncio.timeout(1):
        await clock.sleep_until(clock.now().boot_s - 3600)


async def test_the_fake_clock_wakes_sleepers_in_order_of_their_deadlines() -> None:
    clock: FakeClock = FakeClock(boot_s=100)
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
