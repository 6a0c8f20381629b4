"""What every Clock does, the real one and the one of the tests."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from openwa_manager.domain.ports import Clock
from openwa_manager.host.clock import SystemClock
from tests.fakes.clock import FakeClock

SOON_S, FAR_S = 0.02, 3600.0

#: Lets so many seconds of a clock pass.
Pass = Callable[[float], Awaitable[None]]


async def real_time_passes(_: float) -> None:
    """Do nothing: the real clock moves by itself, and whoever waits by it is awaited."""


@pytest.fixture(params=["system", "fake"])
def clock_and_pass(request: pytest.FixtureRequest) -> tuple[Clock, Pass]:
    if request.param == "fake":
        fake = FakeClock()
        return fake, fake.advance
    return SystemClock(look_s=SOON_S / 2), real_time_passes


@pytest.fixture
def clock(clock_and_pass: tuple[Clock, Pass]) -> Clock:
    return clock_and_pass[0]


@pytest.fixture
def let_pass(clock_and_pass: tuple[Clock, Pass]) -> Pass:
    return clock_and_pass[1]


def in_s(clock: Clock, seconds: float) -> float:
    return clock.now().boot_s + seconds


async def other_turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_the_boot_clock_never_goes_back(clock: Clock) -> None:
    moments = [clock.now().boot_s for _ in range(100)]

    assert moments == sorted(moments)


async def test_a_sleeper_never_wakes_early(clock: Clock, let_pass: Pass) -> None:
    due_s = in_s(clock, SOON_S)

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(clock.sleep_until(due_s))
        await let_pass(SOON_S)

    assert clock.now().boot_s >= due_s


async def test_a_deadline_in_the_past_is_met_at_once_and_lets_others_run(clock: Clock) -> None:
    turns: list[str] = []

    async def other() -> None:
        turns.append("other")

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(other())
        await clock.sleep_until(in_s(clock, -FAR_S))
        turns.append("sleeper")

    assert turns == ["other", "sleeper"]


async def test_a_wait_for_a_flag_that_stays_down_ends_when_the_time_has_come(clock: Clock, let_pass: Pass) -> None:
    due_s = in_s(clock, SOON_S)

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        is_set = tasks.create_task(clock.wait(asyncio.Event(), due_s))
        await let_pass(SOON_S)

    assert is_set.result() is False
    assert clock.now().boot_s >= due_s


@pytest.mark.parametrize("within_s", [FAR_S, None])
async def test_a_wait_ends_as_soon_as_the_flag_is_set(clock: Clock, within_s: float | None) -> None:
    flag = asyncio.Event()
    until_s = None if within_s is None else in_s(clock, within_s)

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        is_set = tasks.create_task(clock.wait(flag, until_s))
        await other_turns()
        was_waiting = not is_set.done()
        flag.set()

    assert was_waiting
    assert is_set.result() is True


@pytest.mark.parametrize("within_s", [FAR_S, -FAR_S, None])
async def test_a_flag_that_is_set_already_is_not_waited_for(clock: Clock, within_s: float | None) -> None:
    flag = asyncio.Event()
    flag.set()

    async with asyncio.timeout(5):
        is_set = await clock.wait(flag, None if within_s is None else in_s(clock, within_s))

    assert is_set is True
    assert flag.is_set()


async def test_a_wait_whose_time_is_over_says_that_the_flag_is_not_set(clock: Clock) -> None:
    flag = asyncio.Event()

    async with asyncio.timeout(5):
        is_set = await clock.wait(flag, in_s(clock, -1))

    assert is_set is False
    assert not flag.is_set()


async def test_a_cancelled_wait_ends_cancelled_and_the_others_go_on(clock: Clock) -> None:
    flag = asyncio.Event()

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        first, second = (tasks.create_task(clock.wait(flag, in_s(clock, FAR_S))) for _ in range(2))
        await other_turns()
        first.cancel()
        await other_turns()
        flag.set()

    assert first.cancelled()
    assert second.result() is True
