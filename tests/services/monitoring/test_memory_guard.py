from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import SessionId, Usage
from openwa_manager.domain.session.stimuli import EngineFaulted, Observation
from openwa_manager.services.monitoring.memory_guard import MemoryGuard, MemoryLimits
from openwa_manager.services.sessions.engine_inbox import RunningEngine
from tests.services.monitoring.test_prober import LAUNCH, SESSION, FakeEngine

LIMITS = MemoryLimits(soft_bytes=100, hard_bytes=200)


def told_of(rss_bytes: int, limits: MemoryLimits, *, own_limit_bytes: int | None = None, is_idle: bool) -> list[str]:
    """Return what the supervisor is told when its engine uses so much."""
    told: list[Observation] = []
    session = replace(SESSION, spec=replace(SESSION.spec, memory_limit_bytes=own_limit_bytes))
    target = RunningEngine(
        session=session,
        launch=LAUNCH,
        engine=FakeEngine(),
        tell=lambda *observations: told.extend(observations),
        log_path=of_session(Path("/nowhere")),
        has_heartbeat=False,
    )
    guard = MemoryGuard(limits, {session.session_id: target}.get, lambda _: is_idle)
    guard.check({SessionId("acme"): Usage(rss_bytes=rss_bytes, cpu_percent=0.0, process_count=1)})
    assert all(isinstance(each, EngineFaulted) and each.code is ReasonCode.MEMORY_LIMIT for each in told)
    return [each.facts.sentence for each in told if isinstance(each, EngineFaulted) and each.facts]


@pytest.mark.parametrize("is_idle", [True, False])
def test_above_the_hard_limit_an_engine_is_ended_whether_it_is_used_or_not(is_idle: bool) -> None:
    assert told_of(201, LIMITS, is_idle=is_idle) == ["201 bytes are above the hard limit of 200"]


def test_above_the_soft_limit_an_engine_is_ended_only_while_it_is_idle() -> None:
    assert told_of(101, LIMITS, is_idle=False) == []
    assert told_of(101, LIMITS, is_idle=True) == ["101 bytes are above the soft limit of 100, and the session is idle"]


def test_a_session_of_its_own_limit_is_not_held_to_the_common_one() -> None:
    assert told_of(1000, LIMITS, own_limit_bytes=2000, is_idle=False) == []
    assert told_of(2001, LIMITS, own_limit_bytes=2000, is_idle=False)


def test_without_limits_nobody_is_ended() -> None:
    assert told_of(10**12, MemoryLimits(), is_idle=True) == []
