"""Who boots next."""

import asyncio

from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.starting.start_gate import Shortage, StartGate
from tests.fakes.clock import FakeClock

ONE, TWO, THREE = SessionId("one"), SessionId("two"), SessionId("three")


def silent(shortage: Shortage) -> None:
    del shortage


async def test_those_who_entered_while_the_gate_was_held_boot_in_the_order_given_at_its_release() -> None:
    gate = StartGate(FakeClock(), 1, 0.0, lambda: None)
    gate.hold()
    booted: list[SessionId] = []

    async def boot(session_id: SessionId) -> None:
        await gate.enter(session_id, silent).wait()
        booted.append(session_id)
        gate.leave(session_id)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(gate.run())
        booting = [tasks.create_task(boot(each)) for each in (THREE, ONE, TWO)]
        await asyncio.sleep(0)
        gate.release([ONE, TWO])
        await asyncio.wait(booting)
        running.cancel()

    assert booted == [ONE, TWO, THREE]


async def test_nobody_boots_while_the_gate_is_held() -> None:
    gate = StartGate(FakeClock(), 1, 0.0, lambda: None)
    gate.hold()

    turn = gate.enter(ONE, silent)

    assert not turn.is_set()
