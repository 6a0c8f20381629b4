import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from openwa_manager.domain.session.reasons import Reason, ReasonCode
from openwa_manager.domain.session.restart import OfflinePolicy
from openwa_manager.domain.session.session import LinkState, Session, SessionId, Spec
from openwa_manager.services.changes import Changes
from openwa_manager.services.delivery.announcer import Announcer
from openwa_manager.services.host_state import HostState
from openwa_manager.services.monitoring.host_monitor import HostMonitor, OfflineDetector
from openwa_manager.store.database import Database
from tests.fakes.clock import FakeClock


@dataclass
class Host:
    """A host whose network the test plugs and unplugs."""

    database: Database
    clock: FakeClock = field(default_factory=FakeClock)
    has_route: bool | None = True
    sessions: list[Session] = field(default_factory=list)
    slept_s: list[float] = field(default_factory=list)
    network_changes: int = 0

    def drop(self, count: int) -> None:
        """Have so many sessions lose their link now."""
        at = self.clock.now().at
        reason = Reason(code=ReasonCode.NETWORK, at=at)
        lost = Session(
            session_id=SessionId("a"),
            spec=Spec(engine="simulator"),
            engine_key="k",
            created_at=at,
            updated_at=at,
            link=LinkState.DISCONNECTED,
            reason=reason,
        )
        self.sessions = [replace(lost, session_id=SessionId(f"s{number}")) for number in range(count)]

    def note_network(self, is_offline: bool) -> None:
        del is_offline
        self.network_changes += 1


@asynccontextmanager
async def watching(host: Host) -> AsyncIterator[HostState]:
    state, changes = HostState(host.clock), Changes()
    changes.network_changed.subscribe(host.note_network)
    changes.host_slept.subscribe(host.slept_s.append)
    detector = OfflineDetector(host.clock, lambda: host.has_route, lambda: host.sessions, OfflinePolicy())
    announcer = Announcer(host.database, host.clock, changes)
    host_monitor = HostMonitor(host.clock, detector, state, changes, announcer)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(host_monitor.run())
        await host.clock.advance(1)
        yield state
        running.cancel()


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with Database(tmp_path / "manager.db") as database:
        yield Host(database)


async def test_a_sleep_of_the_host_is_noticed_once(host: Host) -> None:
    async with watching(host) as state:
        awake_before_s = state.awake_since()
        await host.clock.advance(600)
        awake_s = state.awake_since()
        await host.clock.sleep_host(600)
        woken_s = state.awake_since()
        await host.clock.advance(600)

    assert awake_s == awake_before_s
    assert woken_s == awake_s + 1 + 600 + 600
    assert len(host.slept_s) == 1
    assert 590 < host.slept_s[0] <= 600


async def test_a_sleep_counts_before_it_is_noticed(host: Host) -> None:
    async with watching(host) as state:
        before_s = state.awake_since()
        host.clock._move_to(host.clock.now().boot_s + 600)

        assert state.awake_since() == host.clock.now().boot_s > before_s


@pytest.mark.parametrize(("has_route", "is_offline"), [(False, True), (True, False), (None, False)])
async def test_a_host_without_a_route_is_offline(host: Host, has_route: bool | None, is_offline: bool) -> None:
    async with watching(host) as state:
        host.has_route = has_route
        await host.clock.advance(10)

        assert state.is_offline is is_offline
        assert host.network_changes == int(is_offline)


async def test_three_links_lost_within_half_a_minute_are_the_hosts_network(host: Host) -> None:
    async with watching(host) as state:
        host.drop(2)
        await host.clock.advance(10)
        after_two = state.is_offline
        host.drop(3)
        await host.clock.advance(10)
        after_three = state.is_offline
        host.sessions = [replace(each, connected_at=host.clock.now().at) for each in host.sessions[:1]]
        await host.clock.advance(10)

        assert (after_two, after_three, state.is_offline) == (False, True, False)


async def test_a_burst_of_lost_links_excuses_for_five_minutes_only(host: Host) -> None:
    async with watching(host) as state:
        host.drop(5)
        await host.clock.advance(10)
        during = state.is_offline
        await host.clock.advance(400)

        assert (during, state.is_offline) == (True, False)


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])
async def test_links_lost_one_by_one_are_no_burst_after_a_jump_of_the_wall_clock(host: Host, jump_s: float) -> None:
    async with watching(host) as state:
        for count in range(1, 6):
            known = host.sessions
            host.drop(count)
            host.sessions = [*known, host.sessions[-1]]
            await host.clock.advance(60)
        before = state.is_offline
        host.clock.jump_wall(jump_s)
        await host.clock.advance(60)

        assert (before, state.is_offline) == (False, False)


async def test_links_lost_before_the_daemon_began_are_no_burst_once_the_clock_was_set_back(host: Host) -> None:
    host.clock.jump_wall(3600)
    host.drop(5)
    host.clock.jump_wall(-3600)

    async with watching(host) as state:
        await host.clock.advance(60)

        assert not state.is_offline


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])
async def test_a_burst_ends_with_a_connection_whatever_the_wall_clock_says(host: Host, jump_s: float) -> None:
    async with watching(host) as state:
        host.drop(5)
        await host.clock.advance(60)
        during = state.is_offline
        host.clock.jump_wall(jump_s)
        host.sessions = [*host.sessions[1:], replace(host.sessions[0], connected_at=host.clock.now().at)]
        await host.clock.advance(10)

        assert (during, state.is_offline) == (True, False)
