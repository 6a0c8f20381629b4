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
from tests.domain.session.driver import (
    Driver,
    backing_off,
    connected,
    failed,
    queued,
    running,
)


def test_a_crash_tells_how_it_went_and_when_the_next_try_is() -> None:
    driver = connected()

    driver.crash(exit_code=None, signal=9)

    assert driver.the("session.crashed").data == {
        "pid": 1001,
        "exit_code": None,
        "signal": 9,
        "attempt": 1,
        "delay_s": 1.0,
        "reason": "engine_exited",
        "reason_detail": "killed by signal 9",
    }
    assert driver.session.restarts.next_at == driver.at + 1.0
    assert [type(command) for command in driver.commands] == [RemoveQr, Sweep]


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
    driver = running()

    driver.crash(exit_code, signal, port_was_taken=port_was_taken)

    assert driver.session.reason is not None
    assert (driver.reason, driver.session.reason.detail) == (code, detail)


def test_a_restart_after_a_crash_is_told_with_its_cause() -> None:
    driver = backing_off()

    driver.wait(1.0)
    driver.boot()

    assert driver.the("session.restarted").data == {"pid": 1002, "attempt": 1, "reason": "engine_exited"}
    assert driver.session.restarts.next_at is None


def test_only_restarts_that_happen_are_counted() -> None:
    driver = backing_off()

    assert driver.session.restarts.count == 0
    driver.wait(1.0)
    assert driver.session.restarts.count == 1
    driver.boot()
    driver.crash()
    driver.send(StopRequested())

    assert driver.session.restarts.count == 1


def test_a_crash_loop_gives_up_with_one_failure() -> None:
    driver = _looping()

    assert (driver.session.process, driver.reason) == (ProcessState.FAILED, ReasonCode.CRASH_LOOP)
    assert driver.told().count("session.failed") == 1


def test_a_crash_in_the_slow_retry_is_not_a_failure_anew() -> None:
    driver = _looping()
    driver.forget_so_far()

    driver.wait(1800)
    driver.boot()
    driver.crash()

    assert driver.session.process is ProcessState.FAILED
    assert driver.session.restarts.count == 5
    assert driver.told() == ["session.status", "session.restarted", "session.status", "session.crashed"]


def test_ten_steady_minutes_forgive_a_crash_loop() -> None:
    driver = _looping()

    driver.wait(1800)
    driver.boot()
    driver.report(LinkReport.CONNECTED)
    driver.wait(600)
    driver.crash()

    assert driver.session.process is ProcessState.BACKOFF
    assert driver.session.restarts.streak == 1
    assert driver.session.restarts.count == 5


def test_a_first_crash_after_an_impossible_launch_gets_the_short_pause() -> None:
    driver = failed()

    driver.wait(1800)
    driver.boot()
    driver.crash()

    assert driver.session.process is ProcessState.BACKOFF
    assert driver.session.restarts.next_at == driver.at + 1.0


def test_a_requested_start_ends_the_slow_retry_with_a_clean_book() -> None:
    driver = _looping()

    driver.send(StartRequested())
    driver.boot()
    driver.crash()

    assert driver.session.process is ProcessState.BACKOFF
    assert driver.session.restarts.streak == 1


def test_recycling_for_memory_costs_no_budget() -> None:
    driver = connected()

    for _ in range(20):
        driver.fault(ReasonCode.MEMORY_LIMIT)
        driver.end()
        driver.boot()

    assert driver.session.process is ProcessState.RUNNING
    book = driver.session.restarts
    assert (book.count, book.streak, book.crashed_at) == (20, 0, ())
    assert "session.crashed" not in driver.told()


def test_a_hung_engine_is_ended_and_counts_as_crashed() -> None:
    driver = connected()

    driver.fault(ReasonCode.ENGINE_UNRESPONSIVE, ProbesMissed(count=4, error="no answer"))
    assert driver.told() == ["session.status", "session.disconnected"]
    driver.end()

    assert driver.told() == ["session.status", "session.crashed"]
    assert (driver.session.process, driver.session.restarts.streak) == (ProcessState.BACKOFF, 1)


def test_an_internal_error_ends_the_engine_and_fails_the_session() -> None:
    driver = connected()

    driver.fault(ReasonCode.INTERNAL_ERROR, Words(text="three bugs"))
    driver.end()

    assert driver.told() == ["session.status", "session.disconnected", "session.status", "session.failed"]
    assert driver.session.reason is not None
    assert (driver.reason, driver.session.reason.detail) == (ReasonCode.INTERNAL_ERROR, "three bugs")
    assert driver.session.restarts.next_at == driver.at + 1800


def _looping() -> Driver:
    driver = queued()
    for _ in range(4):
        driver.boot()
        driver.crash()
        driver.wait(driver.policy.restart.backoff_max_s)
    driver.boot()
    driver.crash()
    return driver
