import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from openwa_manager.domain.errors import EngineError, FilesStuckError
from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.ports import Capabilities
from openwa_manager.domain.session.reasons import Facts, ProbesMissed, Reason, ReasonCode, Silence, Words
from openwa_manager.domain.session.restart import ProbePolicy
from openwa_manager.domain.session.session import (
    Identity,
    Launch,
    LaunchId,
    LinkState,
    ProcessState,
    Session,
    SessionId,
    Spec,
)
from openwa_manager.domain.session.stimuli import (
    ActivitySeen,
    EngineFaulted,
    LinkReport,
    LinkReported,
    Observation,
    SilenceNoticed,
)
from openwa_manager.engines.command import CommandEngine, CommandSetup
from openwa_manager.engines.environment import EngineContext
from openwa_manager.processes.reading.listeners import EngineListeners
from openwa_manager.services.monitoring.data_inspector import DataInspector
from openwa_manager.services.monitoring.prober import Prober
from openwa_manager.services.sessions.engine_inbox import RunningEngine
from tests.fakes.clock import FakeClock
from tests.fakes.disk import PromptFiles

PERIOD_S, MISSES, SILENCE_S = 15.0, 4, 120.0
LAUNCH = Launch(
    launch_id=LaunchId("l"),
    number=1,
    port=1,
    secret="s",
    cause=ReasonCode.REQUESTED,
    launched_at=0.0,
    identity=Identity(boot_id="b", pid=1, started=1),
)
SESSION = Session(
    session_id=SessionId("acme"),
    spec=Spec(engine="command"),
    engine_key="k",
    created_at=0.0,
    updated_at=0.0,
    process=ProcessState.RUNNING,
    link=LinkState.CONNECTED,
    launch=LAUNCH,
)


class FakeEngine(CommandEngine):
    """An engine that answers, or does not."""

    capabilities = Capabilities(answers_probes=True, reports_link=True, writes_qr_file=False, listens_on_socket=True)

    def __init__(self) -> None:
        super().__init__(
            CommandSetup(
                argv=(),
                engine_context=EngineContext(environ={}, intake_url="http://localhost", proof=EngineListeners()),
            )
        )
        self.error: EngineError | None = None
        self.asked_count = 0

    async def observe(self, session: Session, launch: Launch) -> Sequence[Observation]:
        del session, launch
        self.asked_count += 1
        if self.error is not None:
            raise self.error
        return ()


class PostingEngine(FakeEngine):
    """An engine without HTTP, which can only post."""

    capabilities = Capabilities(answers_probes=False, reports_link=False, writes_qr_file=True, listens_on_socket=False)


@dataclass
class Probed:
    """One engine that is probed, and what its supervisor was told."""

    clock: FakeClock
    engine: FakeEngine
    log_path: Path
    told: list[Observation] = field(default_factory=list)
    posted_boot_s: float | None = None
    session: Session = SESSION
    files: PromptFiles = field(default_factory=PromptFiles)

    def running_launches(self) -> Mapping[SessionId, LaunchId]:
        return {SESSION.session_id: LAUNCH.launch_id}

    def running_engine(self, session_id: SessionId) -> RunningEngine | None:
        assert session_id == SESSION.session_id
        return RunningEngine(
            session=self.session,
            launch=LAUNCH,
            engine=self.engine,
            tell=lambda *observations: self.told.extend(observations),
            log_path=of_session(self.log_path),
            has_heartbeat=not self.engine.capabilities.answers_probes,
            posted_boot_s=self.posted_boot_s,
        )

    @property
    def verdicts(self) -> list[Observation]:
        return [each for each in self.told if not isinstance(each, ActivitySeen)]


@asynccontextmanager
async def probing(probed: Probed) -> AsyncIterator[Prober]:
    policy = ProbePolicy(period_s=PERIOD_S, timeout_s=5.0, misses=MISSES, silence_s=SILENCE_S)
    inspector = DataInspector(probed.clock, policy.inspection_s, probed, Path)
    prober = Prober(probed.clock, lambda: 0.5, policy, probed, inspector, probed.files)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(prober.run())
        yield prober
        running.cancel()


@pytest.fixture
def probed(tmp_path: Path) -> Probed:
    return Probed(clock=FakeClock(), engine=FakeEngine(), log_path=tmp_path / "engine.log")


async def test_four_unanswered_probes_mean_that_an_engine_hangs(probed: Probed) -> None:
    probed.engine.error = EngineError("silent")

    async with probing(probed):
        await probed.clock.advance(PERIOD_S * 3)
        before = list(probed.verdicts)
        await probed.clock.advance(PERIOD_S)

    assert before == []
    assert probed.verdicts == [
        EngineFaulted(
            launch_id=LAUNCH.launch_id,
            code=ReasonCode.ENGINE_UNRESPONSIVE,
            facts=ProbesMissed(count=4, error="silent"),
        )
    ]


async def test_the_next_probe_is_told_as_people_s_time(probed: Probed) -> None:
    async with probing(probed) as prober:
        await probed.clock.advance(PERIOD_S * 1.6)  # the first probe came after half a period
        next_at = prober.due_at(SESSION.session_id)
        await probed.clock.advance(PERIOD_S)
        later_at = prober.due_at(SESSION.session_id)

    assert next_at is not None
    assert 0 < next_at - probed.clock.now().at + PERIOD_S <= PERIOD_S
    assert later_at == pytest.approx(next_at + PERIOD_S, abs=PERIOD_S / 4)
    assert prober.due_at(SessionId("other")) is None


async def test_an_answer_makes_up_for_all_misses(probed: Probed) -> None:
    async with probing(probed):
        for _ in range(5):
            probed.engine.error = EngineError("silent")
            await probed.clock.advance(PERIOD_S * 3)
            probed.engine.error = None
            await probed.clock.advance(PERIOD_S)

    assert probed.verdicts == []


async def test_each_unanswered_probe_counts_for_ever(probed: Probed) -> None:
    async with probing(probed) as prober:
        probed.engine.error = EngineError("silent")
        await probed.clock.advance(PERIOD_S * 2)
        probed.engine.error = None
        await probed.clock.advance(PERIOD_S * 2)

        assert prober.records.miss_count == 2


async def test_misses_before_a_sleep_of_the_host_do_not_count_after_it(probed: Probed) -> None:
    probed.engine.error = EngineError("silent")

    async with probing(probed) as prober:
        await probed.clock.advance(PERIOD_S * 3)
        before = prober.record(SESSION.session_id)
        await probed.clock.sleep_host(600)
        after = prober.record(SESSION.session_id)
        probed.engine.error = None
        await probed.clock.advance(PERIOD_S * 5)

    assert before is not None
    assert after is not None
    assert (before.misses, after.misses) == (3, 1)
    assert probed.verdicts == []


async def test_everybody_is_asked_at_once_after_a_sleep(probed: Probed) -> None:
    async with probing(probed):
        await probed.clock.advance(PERIOD_S * 1.1)
        before = probed.engine.asked_count

        await probed.clock.sleep_host(600)

    assert probed.engine.asked_count == before + 1


async def test_a_sleep_longer_than_the_silence_allowed_disconnects_nobody(probed: Probed) -> None:
    probed.engine = PostingEngine()
    probed.posted_boot_s = probed.clock.now().boot_s

    async with probing(probed):
        await probed.clock.advance(PERIOD_S * 2)
        await probed.clock.sleep_host(600)
        await probed.clock.advance(SILENCE_S - PERIOD_S)

    assert probed.verdicts == []


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])
async def test_a_jump_of_the_wall_clock_disconnects_nobody(probed: Probed, jump_s: float) -> None:
    probed.engine = PostingEngine()
    probed.posted_boot_s = probed.clock.now().boot_s

    async with probing(probed):
        await probed.clock.advance(PERIOD_S * 2)
        probed.clock.jump_wall(jump_s)
        await probed.clock.advance(PERIOD_S * 2)

    assert probed.verdicts == []


async def test_silence_disconnects_an_engine_that_used_to_beat(probed: Probed) -> None:
    probed.engine = PostingEngine()
    probed.posted_boot_s = probed.clock.now().boot_s

    async with probing(probed):
        await probed.clock.advance(SILENCE_S + PERIOD_S * 2)

    assert probed.verdicts
    assert probed.verdicts[0] == SilenceNoticed(launch_id=LAUNCH.launch_id, limit_s=SILENCE_S)


@pytest.mark.parametrize(
    ("facts", "has_posted", "verdicts"),
    [
        (Silence(limit_s=SILENCE_S), True, 1),
        (Silence(limit_s=SILENCE_S), False, 0),
        (Silence(limit_s=SILENCE_S / 2), True, 1),  # noticed by a daemon that had another `silence_s`
        (Words(text=f"no sign of life for {SILENCE_S:.0f} s"), True, 0),  # an engine's words, whatever they are
    ],
)
async def test_a_sign_of_life_ends_a_silence_but_no_other_trouble(
    probed: Probed, facts: Facts, has_posted: bool, verdicts: int
) -> None:
    probed.engine = PostingEngine()
    reason = Reason(code=ReasonCode.NETWORK, facts=facts, at=probed.clock.now().at)
    probed.session = replace(SESSION, link=LinkState.DISCONNECTED, reason=reason)

    async with probing(probed):
        await probed.clock.advance(PERIOD_S / 4)
        probed.posted_boot_s = probed.clock.now().boot_s if has_posted else None
        await probed.clock.advance(PERIOD_S * 3 / 4)

    assert probed.verdicts == [LinkReported(launch_id=LAUNCH.launch_id, link=LinkReport.CONNECTED)] * verdicts


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])
async def test_a_log_dated_by_another_clock_outweighs_no_answer(probed: Probed, jump_s: float) -> None:
    probed.log_path.write_text("a line")
    os.utime(probed.log_path, (probed.clock.now().at,) * 2)

    async with probing(probed):
        await probed.clock.advance(PERIOD_S * 2)
        probed.clock.jump_wall(jump_s)
        await probed.clock.advance(SILENCE_S * 3)

    assert probed.verdicts == []


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])
async def test_a_sign_of_life_ends_a_silence_after_a_jump_of_the_wall_clock(probed: Probed, jump_s: float) -> None:
    probed.engine = PostingEngine()
    probed.posted_boot_s = probed.clock.now().boot_s

    async with probing(probed):
        await probed.clock.advance(SILENCE_S + PERIOD_S)
        noticed = list(probed.verdicts)
        reason = Reason(code=ReasonCode.NETWORK, facts=Silence(limit_s=SILENCE_S), at=probed.clock.now().at)
        probed.session = replace(SESSION, link=LinkState.DISCONNECTED, reason=reason)
        probed.clock.jump_wall(jump_s)
        probed.posted_boot_s = probed.clock.now().boot_s
        await probed.clock.advance(PERIOD_S)

    assert noticed == [SilenceNoticed(launch_id=LAUNCH.launch_id, limit_s=SILENCE_S)]
    assert probed.verdicts[1:] == [LinkReported(launch_id=LAUNCH.launch_id, link=LinkReport.CONNECTED)]


async def test_a_growing_log_is_a_sign_of_life(probed: Probed) -> None:
    probed.engine = PostingEngine()
    probed.posted_boot_s = probed.clock.now().boot_s

    async with probing(probed):
        for _ in range(20):
            await probed.clock.advance(PERIOD_S)
            probed.log_path.write_text("a line")
            at = probed.clock.now().at
            os.utime(probed.log_path, (at, at))

    assert probed.verdicts == []
    assert ActivitySeen(launch_id=LAUNCH.launch_id) in probed.told


async def test_what_we_cannot_ask_is_not_held_against_the_engine(probed: Probed) -> None:
    probed.engine.error = EngineError("no answer")
    probed.engine.error.__cause__ = OSError(24, "Too many open files")

    async with probing(probed) as prober:
        await probed.clock.advance(PERIOD_S * 10)
        record = prober.record(SESSION.session_id)

    assert record is not None
    assert record.misses == 0
    assert probed.verdicts == []


async def test_a_log_that_cannot_be_looked_at_says_nothing(probed: Probed) -> None:
    probed.engine = PostingEngine()
    probed.log_path.write_text("a line")

    async with probing(probed) as prober:
        await probed.clock.advance(PERIOD_S)
        probed.files.error = FilesStuckError("no answer")
        await probed.clock.advance(PERIOD_S * 2)
        probed.files.error = None
        probed.told.clear()
        await probed.clock.advance(PERIOD_S * 2)
        record = prober.record(SESSION.session_id)

    assert record is not None
    assert record.misses == 0
    assert probed.verdicts == []
    assert probed.told == []


async def test_a_log_is_never_looked_at_in_the_loop(probed: Probed) -> None:
    probed.engine = PostingEngine()

    async with probing(probed):
        await probed.clock.advance(PERIOD_S * 2)

    assert len(probed.files.asked) == 2


async def test_the_log_of_an_engine_that_answers_is_not_looked_at(probed: Probed) -> None:
    async with probing(probed):
        await probed.clock.advance(PERIOD_S * 3)

    assert probed.engine.asked_count == 3
    assert probed.files.asked == []


async def test_what_was_written_before_an_answer_is_no_sign_of_life_after_it(probed: Probed) -> None:
    probed.engine.error = EngineError("silent")

    async with probing(probed) as prober:
        await probed.clock.advance(PERIOD_S)
        probed.engine.error = None
        await probed.clock.advance(PERIOD_S)
        answered = prober.record(SESSION.session_id)
        probed.log_path.write_text("a line")
        probed.engine.error = EngineError("silent again")
        await probed.clock.advance(PERIOD_S)
        missed = prober.record(SESSION.session_id)

    assert answered is not None
    assert missed is not None
    assert (missed.misses, missed.sign_boot_s) == (1, answered.sign_boot_s)
