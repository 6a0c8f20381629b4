from openwa_manager.services.messaging.sending.clock_guard import ClockGuard
from tests.fakes.clock import FakeClock


async def test_a_clock_that_goes_on_as_it_should_is_not_odd() -> None:
    clock = FakeClock()
    guard = ClockGuard(clock)

    await clock.advance(100_000.0)

    assert guard.odd() is None


async def test_a_clock_that_was_set_is_odd_for_a_minute() -> None:
    for set_by_s in (301.0, -301.0, 1e9):
        clock = FakeClock()
        guard = ClockGuard(clock)
        clock.set_wall(set_by_s)

        odd = guard.odd()
        assert odd is not None
        assert odd.at == clock.now().at + 60.0
        await clock.advance(59.0)
        assert guard.odd() is not None
        await clock.advance(1.0)
        assert guard.odd() is None


async def test_a_clock_that_is_kept_in_time_is_not_odd() -> None:
    clock = FakeClock()
    guard = ClockGuard(clock)

    clock.set_wall(299.0)

    assert guard.odd() is None
