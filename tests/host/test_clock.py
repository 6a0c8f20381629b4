import asyncio
import threading
import time

from openwa_manager.host.clock import SystemClock


def test_wall_time_is_in_seconds_since_the_epoch() -> None:
    before = time.time_ns()

    at = SystemClock().now().at

    assert before / 1e9 - 1 < at < time.time_ns() / 1e9 + 1


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
