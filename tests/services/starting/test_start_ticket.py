"""The way to a launch through the start gate, also when what was decided on the way could not be recorded."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from openwa_manager.domain.session.deadlines import Moment
from openwa_manager.domain.session.decisions import Decisions
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.domain.session.stimuli import DeleteRequested, Observation, StartRequested, Stimulus
from openwa_manager.processes.ports import PortPool
from openwa_manager.services.starting.start_gate import QueuedStart, Shortage, StartGate
from openwa_manager.services.starting.start_ticket import StartTicket
from tests.domain.session.driver import a_session
from tests.fakes.clock import FakeClock, settle


@dataclass
class Host:
    """A start gate that one session and others stand at."""

    clock: FakeClock = field(default_factory=FakeClock)
    shortage: Shortage | None = None
    heard: list[Observation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate = StartGate(self.clock, 1, 0.0, lambda: self.shortage)
        ports = PortPool(28100, 28109)
        self.seeker = StartTicket(a_session().session_id, self.gate, ports, lambda *seen: self.heard.extend(seen))

    def decide(self, session: Session, *stimuli: Stimulus) -> Session:
        """Return what becomes of the session, with all that the seeker adds."""
        now = self.clock.now()
        moment = Moment(at=now.at, boot_s=now.boot_s)
        batch = Decisions(session=session, deadlines={}, policy=Policy())
        for stimulus in stimuli:
            batch.consider(stimulus, moment)
        self.seeker.follow(batch, moment, is_disk_full=False)
        return batch.session

    def fill(self) -> None:
        """Let another session take the only slot."""
        assert self.gate.enter(SessionId("other"), QueuedStart(admit=lambda: None, delay=lambda _: None))

    async def pass_a_second(self) -> None:
        """Let what waits at the gate be called."""
        await settle()
        await self.clock.advance(1.0)


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    built = Host()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(built.gate.run())
        yield built
        running.cancel()


async def test_a_slot_that_is_free_becomes_a_launch_at_once(host: Host) -> None:
    session = host.decide(a_session(), StartRequested())

    assert session.launch is not None
    assert session.launch.cause is ReasonCode.REQUESTED


async def test_who_waits_is_launched_once_the_slot_is_given_back(host: Host) -> None:
    host.fill()
    queued = host.decide(a_session(), StartRequested())

    host.gate.leave(SessionId("other"))
    await host.pass_a_second()

    assert queued.launch is None
    assert host.decide(queued).launch is not None


async def test_a_deletion_that_could_not_be_recorded_does_not_cost_the_place_at_the_gate(host: Host) -> None:
    host.shortage = Shortage(code=ReasonCode.DISK_FULL)
    queued = host.decide(a_session(), StartRequested())
    search = host.seeker.search

    host.decide(queued, DeleteRequested(keep_data=True))
    host.seeker.reopen(search)
    host.decide(queued)
    host.shortage = None
    await host.pass_a_second()

    assert host.decide(queued).launch is not None


async def test_a_turn_called_while_something_could_not_be_recorded_is_not_lost(host: Host) -> None:
    host.fill()
    queued = host.decide(a_session(), StartRequested())
    search = host.seeker.search

    host.gate.leave(SessionId("other"))
    await host.pass_a_second()
    host.seeker.reopen(search)

    assert host.decide(queued).launch is not None
