"""Engines that crash, hang or leak: what is counted, told and tried again."""

import pytest

from openwa_manager.domain.session.commands import RemoveQr, Sweep
from openwa_manager.domain.session.reasons import ProbesMissed, ReasonCode, Words
from openwa_manager.domain.session.session import ProcessState
from openwa_manager.domain.session.stimuli import (
    LinkReport,
    StartRequested,
    StopRequested,
)
from tests.domain.session.stage import (
    Stage,
    backing_off,
    connected,
    failed,
    queued,
    running,
)


def test_a_crash_tells_how_it_went_and_when_the_next_try_is() -> None:
    stage = connected()

    stage.crash(exit_code=None, signal=9)

    assert stage.the("session.crashed").data == {
        "pid": 1001,
        "exit_code": None,
        "signal": 9,
        "attempt": 1,
        "delay_s": 1.0,
        "reason": "engine_exited",
    }
    assert stage.session.restarts.next_at == stage.at + 1.0
    assert [type(command) for command in stage.commands] == [RemoveQr, Sweep]


@pytest.mark.parametrize(
    ("exit_code", "signal", "port_was_taken", "code", "detail"),
    [
        (0, None, False, ReasonCode.ENGINE_EXITED, "exited with code 0"),
        (None, 9, False, ReasonCode.ENGINE_EXITED, "killed by signal 9"),
        (None, None, False, ReasonCode.ENGINE_EXITED, "exit code unknown"),
        (1, None, True, ReasonCode.PORT_IN_USE, "its port was taken: exited with code 1"),
    ],
)
def test_the_reason_of_a_crash_says_how_the_engine_ended(
    exit_code: int | None, signal: int | None, port_was_taken: bool, code: ReasonCode, detail: str
) -> None:
    stage = running()

    stage.crash(exit_code, signal, port_was_taken=port_was_taken)

    assert stage.session.reason is not None
    assert (stage.reason, stage.session.reason.detail) == (code, detail)


def test_a_restart_after_a_crash_is_told_with_its_cause() -> None:
    stage = backing_off()

    stage.wait(1.0)
    stage.boot()

    assert stage.the("session.restarted").data == {"pid": 1002, "attempt": 1, "reason": "engine_exited"}
    assert stage.session.restarts.next_at is None


def test_only_restarts_that_happen_are_counted() -> None:
    stage = backing_off()

    assert stage.session.restarts.count == 0
    stage.wait(1.0)
    assert stage.session.restarts.count == 1
    stage.boot()
    stage.crash()
    stage.play(StopRequested())

    assert stage.session.restarts.count == 1


def test_a_crash_loop_gives_up_with_one_failure() -> None:
    stage = _looping()

    assert (stage.session.process, stage.reason) == (ProcessState.FAILED, ReasonCode.CRASH_LOOP)
    assert stage.told().count("session.failed") == 1


def test_a_crash_in_the_slow_retry_is_not_a_failure_anew() -> None:
    stage = _looping()
    stage.forget_so_far()

    stage.wait(1800)
    stage.boot()
    stage.crash()

    assert stage.session.process is ProcessState.FAILED
    assert stage.session.restarts.count == 5
    assert stage.told() == ["session.status", "session.restarted", "session.status", "session.crashed"]


def test_ten_steady_minutes_forgive_a_crash_loop() -> None:
    stage = _looping()

    stage.wait(1800)
    stage.boot()
    stage.report(LinkReport.CONNECTED)
    stage.wait(600)
    stage.crash()

    assert stage.session.process is ProcessState.BACKOFF
    assert stage.session.restarts.streak == 1
    assert stage.session.restarts.count == 5


def test_a_first_crash_after_an_impossible_launch_gets_the_short_pause() -> None:
    stage = failed()

    stage.wait(1800)
    stage.boot()
    stage.crash()

    assert stage.session.process is ProcessState.BACKOFF
    assert stage.session.restarts.next_at == stage.at + 1.0


def test_a_requested_start_ends_the_slow_retry_with_a_clean_book() -> None:
    stage = _looping()

    stage.play(StartRequested())
    stage.boot()
    stage.crash()

    assert stage.session.process is ProcessState.BACKOFF
    assert stage.session.restarts.streak == 1


def test_recycling_for_memory_costs_no_budget() -> None:
    stage = connected()

    for _ in range(20):
        stage.fault(ReasonCode.MEMORY_LIMIT)
        stage.end()
        stage.boot()

    assert stage.session.process is ProcessState.RUNNING
    book = stage.session.restarts
    assert (book.count, book.streak, book.crashed_at) == (20, 0, ())
    assert "session.crashed" not in stage.told()


def test_a_hung_engine_is_ended_and_counts_as_crashed() -> None:
    stage = connected()

    stage.fault(ReasonCode.ENGINE_UNRESPONSIVE, ProbesMissed(count=4, error="no answer"))
    assert stage.told() == ["session.status", "session.disconnected"]
    stage.end()

    assert stage.told() == ["session.status", "session.crashed"]
    assert (stage.session.process, stage.session.restarts.streak) == (ProcessState.BACKOFF, 1)


def test_an_internal_error_ends_the_engine_and_fails_the_session() -> None:
    stage = connected()

    stage.fault(ReasonCode.INTERNAL_ERROR, Words(text="three bugs"))
    stage.end()

    assert stage.told() == ["session.status", "session.disconnected", "session.status", "session.failed"]
    assert stage.session.reason is not None
    assert (stage.reason, stage.session.reason.detail) == (ReasonCode.INTERNAL_ERROR, "three bugs")
    assert stage.session.restarts.next_at == stage.at + 1800


def _looping() -> Stage:
    stage = queued()
    for _ in range(4):
        stage.boot()
        stage.crash()
        stage.wait(stage.policy.restart.backoff_max_s)
    stage.boot()
    stage.crash()
    return stage
