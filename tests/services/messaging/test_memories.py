from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.messaging.retries import EngineMemory
from openwa_manager.domain.session.session import Launch, LaunchId, Session, SessionId
from openwa_manager.services.messaging import memories as memories_module
from openwa_manager.services.messaging.memories import EngineMemories
from openwa_manager.services.messaging.sending.reach import Reached
from tests.fakes.clock import FakeClock
from tests.services.messaging.sending.queue_setup import LAUNCH, ScriptedEngine, connected, rig
from tests.store.messaging.samples import new_message


class _CountingEngine(ScriptedEngine):
    """Counts how often it is asked where it keeps keys."""

    asked_count = 0
    inner_id: str | None = "inner"
    data_id: str | None = "data"

    async def memory(self, session: Session, launch: Launch, directory: Path) -> EngineMemory:
        self.asked_count += 1
        told = await super().memory(session, launch, directory)
        return replace(told, inner_id=self.inner_id, data_id=self.data_id)


async def test_a_launch_is_asked_once(tmp_path: Path) -> None:
    engine = _CountingEngine(clock=FakeClock())
    memories = EngineMemories(engine.clock)

    first = await memories.of(_reached(engine, tmp_path))
    await engine.clock.advance(86_400.0)
    second = await memories.of(_reached(engine, tmp_path))

    assert (first, engine.asked_count) == (second, 1)


async def test_another_launch_is_asked_anew(tmp_path: Path) -> None:
    engine = _CountingEngine(clock=FakeClock())
    memories = EngineMemories(engine.clock)

    await memories.of(_reached(engine, tmp_path))
    engine.version = "0.25.0"
    reached = replace(_reached(engine, tmp_path), launch=replace(LAUNCH, launch_id=LaunchId("next")))

    assert (await memories.of(reached)).version == "0.25.0"


async def test_what_it_could_not_tell_is_asked_again_after_a_while(tmp_path: Path) -> None:
    engine = _CountingEngine(clock=FakeClock())
    engine.data_id = None
    memories = EngineMemories(engine.clock)

    for _ in range(3):
        assert (await memories.of(_reached(engine, tmp_path))).data_id is None
    engine.data_id = "data"
    await engine.clock.advance(31.0)

    assert (await memories.of(_reached(engine, tmp_path))).data_id == "data"
    assert engine.asked_count == 2


async def test_one_that_did_not_answer_is_asked_again_at_once(tmp_path: Path) -> None:
    engine = _CountingEngine(clock=FakeClock())
    engine.inner_id = None
    memories = EngineMemories(engine.clock)

    assert (await memories.of(_reached(engine, tmp_path))).inner_id is None
    engine.inner_id = "inner"

    assert (await memories.of(_reached(engine, tmp_path))).inner_id == "inner"


async def test_what_it_says_when_it_is_asked_is_remembered(tmp_path: Path) -> None:
    engine = _CountingEngine(clock=FakeClock())
    memories = EngineMemories(engine.clock)

    await memories.of(_reached(engine, tmp_path))
    engine.data_id = "others"

    assert (await memories.ask(_reached(engine, tmp_path))).data_id == "others"
    assert (await memories.of(_reached(engine, tmp_path))).data_id == "others"
    assert engine.asked_count == 2


async def test_of_the_engines_asked_longest_ago_nothing_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memories_module, "_REMEMBERED", 2)
    engine = _CountingEngine(clock=FakeClock())
    memories = EngineMemories(engine.clock)

    for name in ("a", "b", "c"):
        reached = _reached(engine, tmp_path)
        await memories.of(replace(reached, session=replace(reached.session, session_id=SessionId(name))))

    assert set(memories._told) == {"b", "c"}


async def test_a_queue_asks_its_engine_once_for_many_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Launch] = []
    memory = ScriptedEngine.memory

    async def counted(engine: ScriptedEngine, session: Session, launch: Launch, directory: Path) -> EngineMemory:
        asked.append(launch)
        return await memory(engine, session, launch, directory)

    monkeypatch.setattr(ScriptedEngine, "memory", counted)
    async with rig(tmp_path) as made:
        for _ in range(5):
            now = made.clock.now().at
            await made.keep(new_message(at=now, expires_at=now + 900))
        await made.pass_s(300.0, step_s=10.0)

    assert (len(made.engine.asked), len(asked)) == (5, 1)


def _reached(engine: ScriptedEngine, directory: Path) -> Reached:
    return Reached(session=connected(), launch=LAUNCH, engine=engine, directory=directory)
