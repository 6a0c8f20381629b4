"""The way to a launch through the start gate, also when there is no port or a launch could not be recorded."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from openwa_manager.domain.errors import PortInUseError, StorageFullError
from openwa_manager.domain.ports import Engine
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import ProcessState, Session, SessionId, Spec
from openwa_manager.domain.session.stimuli import Observation, SlotDelayed, SlotGranted
from openwa_manager.engines.command import CommandEngine, CommandSetup
from openwa_manager.engines.environment import EngineContext
from openwa_manager.engines.openwa import OpenwaEngine, OpenwaSetup
from openwa_manager.engines.program import FixedProgram
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.ports import PortPool
from openwa_manager.processes.reading.listeners import EngineListeners
from openwa_manager.processes.sockets import EngineSockets
from openwa_manager.services.changes import Changes
from openwa_manager.services.host_state import HostState
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.start_gate import Shortage, StartGate
from openwa_manager.services.starting.start_ticket import StartTicket
from openwa_manager.store.database import Database
from tests.domain.session.driver import a_session
from tests.fakes.clock import FakeClock, settle

OTHER = SessionId("other")


@dataclass
class Owner:
    """The supervisor of the session, as far as a ticket knows it; its disk may be full, or slow."""

    session: Session = field(
        default_factory=lambda: replace(a_session(), process=ProcessState.STARTING, spec=Spec(engine="command"))
    )
    told: list[Observation] = field(default_factory=list)
    is_disk_full: bool = False
    is_slow: bool = False
    offers: list[SlotGranted] = field(default_factory=list)

    def tell(self, *observations: Observation) -> None:
        self.told += observations

    async def hear(self, observations: Sequence[Observation]) -> Session:
        if self.is_disk_full:
            raise StorageFullError("no room")
        if self.is_slow:
            self.offers += [each for each in observations if isinstance(each, SlotGranted)]
            await asyncio.Event().wait()
        for each in observations:
            if isinstance(each, SlotGranted):
                self.session = replace(self.session, launch=each.launch)
        return self.session

    @property
    def delays(self) -> list[ReasonCode]:
        return [each.code for each in self.told if isinstance(each, SlotDelayed)]


@dataclass
class Gate:
    """A start gate with one slot, at which one session and others stand."""

    clock: FakeClock
    gate: StartGate
    ports: PortPool
    owner: Owner
    ticket: StartTicket
    dependencies: Dependencies
    group: asyncio.TaskGroup
    shortages: list[Shortage]

    async def queue(self) -> None:
        """Have the session seek its first launch."""
        self.ticket.queue(ReasonCode.REQUESTED, 1, self.group)
        await settle()

    def change_engine(self, engine: str) -> None:
        """Make it the session of another kind of engine, with a new ticket."""
        self.ticket.cancel()
        self.owner.session = replace(self.owner.session, spec=Spec(engine=engine))
        self.ticket = StartTicket(lambda: self.owner.session, self.dependencies, self.owner)

    def fill(self) -> None:
        """Let another session take the only slot."""
        assert self.gate.enter(OTHER, lambda _: None).is_set()


def _engines(clock: FakeClock) -> Mapping[str, Engine]:
    context = EngineContext(environ={}, intake_url="http://localhost", proof=EngineListeners())
    return {
        "command": CommandEngine(CommandSetup(argv=("true",), engine_context=context)),
        "openwa": OpenwaEngine(
            OpenwaSetup(program=FixedProgram(("true",)), engine_context=context), clock, EngineFiles()
        ),
    }


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Gate]:
    clock, shortages = FakeClock(), list[Shortage]()
    gate = StartGate(clock, 1, 0.0, lambda: shortages[0] if shortages else None)
    ports, launcher, owner = (
        PortPool(28100, 28100),
        HostLauncher(SessionLocks(tmp_path / "locks"), clock, EngineFiles()),
        Owner(),
    )
    dependencies = Dependencies(
        clock=clock,
        chance=lambda: 0.5,
        database=Database(tmp_path / "manager.db"),
        launcher=launcher,
        engines=_engines(clock),
        gate=gate,
        ports=ports,
        sockets=EngineSockets(tmp_path / "e"),
        policy=Policy(),
        sessions_root=tmp_path,
        logs_root=None,
        stop_grace_s=1.0,
        files=EngineFiles(),
        changes=Changes(),
        host_state=HostState(clock),
    )
    ticket = StartTicket(lambda: owner.session, dependencies, owner)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(gate.run())
        stage = Gate(clock, gate, ports, owner, ticket, dependencies, tasks, shortages)
        yield stage
        stage.ticket.cancel()
        running.cancel()
    launcher.close()


async def test_a_slot_that_is_free_becomes_a_launch_at_once(host: Gate) -> None:
    await host.queue()

    assert host.owner.session.launch is not None
    assert host.owner.session.launch.cause is ReasonCode.REQUESTED


async def test_who_waits_is_launched_once_the_slot_is_given_back(host: Gate) -> None:
    host.fill()
    await host.queue()
    was_waiting = host.ticket.is_waiting

    host.gate.leave(OTHER)
    await settle()

    assert was_waiting
    assert host.owner.session.launch is not None


async def test_who_waits_hears_what_the_host_is_short_of(host: Gate) -> None:
    host.shortages.append(Shortage(code=ReasonCode.MEMORY_LOW))

    await host.queue()

    assert host.owner.delays == [ReasonCode.MEMORY_LOW]


async def test_a_launch_that_cannot_be_recorded_is_offered_again_a_second_later(host: Gate) -> None:
    host.owner.is_disk_full = True
    await host.queue()
    delays, was_held_up = host.owner.delays, host.ticket.is_waiting

    host.owner.is_disk_full = False
    await host.clock.advance(1.0)

    assert delays == [ReasonCode.DISK_FULL]
    assert was_held_up
    assert host.owner.session.launch is not None


async def test_a_launch_that_cannot_be_recorded_holds_up_nobody_else(host: Gate) -> None:
    host.owner.is_disk_full = True

    await host.queue()

    assert host.gate.enter(OTHER, lambda _: None).is_set()
    assert host.ports.take(OTHER, listens=True) == 28100


async def test_without_a_free_port_the_session_is_told_so_and_tries_again(host: Gate) -> None:
    host.ports.hold(OTHER, 28100, listens=True)
    await host.queue()
    delays = host.owner.delays

    host.ports.give_back(OTHER)
    await host.clock.advance(1.0)

    assert delays == [ReasonCode.PORT_IN_USE]
    assert host.owner.session.launch is not None


async def test_an_engine_that_listens_on_a_socket_is_launched_with_every_port_taken(host: Gate, tmp_path: Path) -> None:
    host.change_engine("openwa")
    host.ports.hold(OTHER, 28100, listens=True)

    await host.queue()

    launch = host.owner.session.launch
    assert launch is not None
    assert launch.socket == tmp_path / "e" / launch.launch_id[:16] / "s"
    assert (launch.port, launch.listening_port) == (28100, None)


async def test_an_engine_that_listens_on_a_port_has_no_socket(host: Gate) -> None:
    await host.queue()

    launch = host.owner.session.launch
    assert launch is not None
    assert (launch.socket, launch.listening_port) == (None, 28100)


async def test_a_session_that_is_no_longer_starting_gives_back_slot_and_port(host: Gate) -> None:
    await host.queue()

    host.ticket.follow(a_session())

    assert host.gate.enter(OTHER, lambda _: None).is_set()
    assert host.ports.take(OTHER, listens=True) == 28100


async def test_a_session_that_runs_gives_back_its_slot_but_keeps_its_port(host: Gate) -> None:
    await host.queue()

    host.ticket.follow(replace(host.owner.session, process=ProcessState.RUNNING))

    assert host.gate.enter(OTHER, lambda _: None).is_set()
    with pytest.raises(PortInUseError):
        host.ports.take(OTHER, listens=True)


async def test_an_offer_that_is_taken_back_is_no_offer_any_more(host: Gate) -> None:
    host.owner.is_slow = True
    await host.queue()
    (offered,) = host.owner.offers
    was_offered = host.ticket.is_offering(offered.launch)

    host.ticket.cancel()

    assert was_offered
    assert not host.ticket.is_offering(offered.launch)


async def test_a_search_that_is_taken_back_comes_to_nothing(host: Gate) -> None:
    host.fill()
    await host.queue()

    host.ticket.cancel()
    host.gate.leave(OTHER)
    await settle()

    assert host.owner.session.launch is None
    assert not host.ticket.is_waiting


async def test_a_slot_that_is_free_can_be_seized_without_a_search(host: Gate) -> None:
    launch = host.ticket.seize(ReasonCode.REQUESTED, 7)

    assert launch is not None
    assert (launch.number, launch.cause, launch.listening_port) == (7, ReasonCode.REQUESTED, 28100)
    assert not host.gate.enter(OTHER, lambda _: None).is_set()


async def test_nothing_is_seized_while_others_wait_or_the_host_is_short_of_something(host: Gate) -> None:
    host.shortages.append(Shortage(code=ReasonCode.MEMORY_LOW))
    in_shortage = host.ticket.seize(ReasonCode.REQUESTED, 1)
    host.shortages.clear()
    host.fill()
    behind_others = host.ticket.seize(ReasonCode.REQUESTED, 1)
    host.gate.leave(OTHER)
    await settle()

    assert (in_shortage, behind_others) == (None, None)
    assert host.gate.enter(OTHER, lambda _: None).is_set()


async def test_nothing_is_seized_without_a_free_port(host: Gate) -> None:
    host.ports.hold(OTHER, 28100, listens=True)

    assert host.ticket.seize(ReasonCode.REQUESTED, 1) is None
    assert host.gate.enter(OTHER, lambda _: None).is_set()


async def test_nothing_is_seized_while_a_slot_is_sought(host: Gate) -> None:
    host.fill()
    await host.queue()

    assert host.ticket.seize(ReasonCode.REQUESTED, 1) is None
    assert host.ticket.is_waiting


async def test_what_was_seized_can_be_taken_back_and_the_session_keeps_its_port(host: Gate) -> None:
    await host.queue()
    running = replace(host.owner.session, process=ProcessState.RUNNING)
    host.ticket.follow(running)
    host.ticket.seize(ReasonCode.REQUESTED, 2)

    host.ticket.take_back(running)

    assert host.gate.enter(OTHER, lambda _: None).is_set()
    with pytest.raises(PortInUseError):
        host.ports.take(OTHER, listens=True)


async def test_what_was_recorded_is_not_taken_back(host: Gate) -> None:
    launch = host.ticket.seize(ReasonCode.REQUESTED, 1)
    starting = replace(host.owner.session, launch=launch)
    host.ticket.follow(starting)

    host.ticket.take_back(starting)

    assert not host.gate.enter(OTHER, lambda _: None).is_set()
