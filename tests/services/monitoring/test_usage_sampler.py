import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from openwa_manager.domain.session.session import Identity, SessionId, Usage
from openwa_manager.services.monitoring.usage_sampler import UsageSampler
from tests.fakes.clock import FakeClock

ACME = SessionId("acme")
ALIVE = {ACME: Identity(boot_id="b", pid=1, started=1)}
USED = Usage(rss_bytes=1, cpu_percent=2.0, process_count=3, cpu_s=0.5)
PERIOD_S = 15.0


class Host:
    """A host with at most one live engine, measured by a thread that tells when it is done."""

    def __init__(self) -> None:
        self.live: Mapping[SessionId, Identity] = ALIVE
        self.measured = asyncio.Event()

    def measure(self, live: Mapping[SessionId, Identity]) -> Mapping[SessionId, Usage]:
        return dict.fromkeys(live, USED)


@asynccontextmanager
async def sampling(host: Host, clock: FakeClock) -> AsyncIterator[UsageSampler]:
    usage_sampler = UsageSampler(clock, PERIOD_S, host.measure, lambda: host.live, lambda _: host.measured.set())
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(usage_sampler.run())
        async with asyncio.timeout(20):
            await host.measured.wait()
        await clock.until_sleeping()
        yield usage_sampler
        task.cancel()


async def test_an_engine_that_ends_right_after_a_measurement_is_soon_not_counted_any_more() -> None:
    host, clock = Host(), FakeClock()
    async with sampling(host, clock) as usage_sampler:
        counted = usage_sampler.usage(ACME)
        host.live = {}
        usage_sampler.wake()

        await clock.advance(1.0)

        assert (counted, usage_sampler.usage(ACME)) == (USED, None)


async def test_without_news_engines_are_measured_once_a_period() -> None:
    host, clock = Host(), FakeClock()
    async with sampling(host, clock) as usage_sampler:
        host.live = {}

        await clock.advance(PERIOD_S - 0.1)
        still = usage_sampler.usage(ACME)
        await clock.advance(0.1)

        assert (still, usage_sampler.usage(ACME)) == (USED, None)


async def test_what_an_ended_engine_has_used_stays_counted() -> None:
    host, clock = Host(), FakeClock()
    async with sampling(host, clock) as usage_sampler:
        host.measured.clear()
        await clock.advance(PERIOD_S)
        await host.measured.wait()
        await clock.until_sleeping()
        host.live = {}
        await clock.advance(PERIOD_S)

        assert usage_sampler.usage(ACME) is None
        assert (usage_sampler.cpu.total_s, usage_sampler.cpu.of(ACME)) == (1.0, 1.0)
