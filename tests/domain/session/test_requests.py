"""What people may ask, in every state: it is done or refused as a whole."""

import pytest

from openwa_manager.domain.session.commands import Dequeue, End, Enqueue
from openwa_manager.domain.session.context import Refused
from openwa_manager.domain.session.lifecycle import Decided
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Desired, LinkState, ProcessState, Restarts, Status
from openwa_manager.domain.session.stimuli import (
    LinkReport,
    Request,
    RestartRequested,
    StartRequested,
    StopRequested,
)
from tests.domain.session.driver import (
    IDLE,
    UP,
    Driver,
    Make,
    backing_off,
    banned,
    connected,
    deleting,
    failed,
    leaving,
    queued,
    spawning,
    stopping,
)


@pytest.mark.parametrize("make", IDLE)
def test_a_start_of_an_idle_session_is_queued_with_a_clean_book(make: Make) -> None:
    driver = make()

    driver.send(StartRequested())

    assert driver.done(Enqueue) == [Enqueue(cause=ReasonCode.REQUESTED)]
    assert (driver.session.desired, driver.session.restarts) == (Desired.RUNNING, Restarts())
    assert (driver.session.status, driver.session.link) == (Status.CREATING, LinkState.UNKNOWN)


@pytest.mark.parametrize("make", [queued, spawning, *UP])
def test_a_start_of_a_started_session_changes_nothing(make: Make) -> None:
    driver = make()
    before = driver.session

    driver.send(StartRequested())

    assert driver.session == before
    assert driver.commands == []


def test_a_start_while_stopping_starts_again_as_a_start() -> None:
    driver = stopping()

    driver.send(StartRequested())
    driver.end()
    driver.boot()

    assert (driver.session.process, driver.session.desired) == (ProcessState.RUNNING, Desired.RUNNING)
    assert "session.restarted" not in driver.told()


def test_a_start_while_a_crashing_engine_is_ended_forgets_its_crashes() -> None:
    driver = leaving(ReasonCode.ENGINE_UNRESPONSIVE)

    driver.send(StartRequested())
    driver.end()

    assert (driver.session.process, driver.session.restarts) == (ProcessState.STARTING, Restarts())


def test_a_start_while_an_engine_is_recycled_leaves_it_at_that() -> None:
    driver = leaving(ReasonCode.MEMORY_LIMIT)

    driver.send(StartRequested())
    driver.end()

    assert driver.session.restarts.last_reason is ReasonCode.MEMORY_LIMIT


@pytest.mark.parametrize("make", UP)
def test_a_stop_ends_a_live_engine(make: Make) -> None:
    driver = make()

    driver.send(StopRequested())

    assert len(driver.done(End)) == 1
    assert (driver.session.status, driver.session.desired) == (Status.STOPPING, Desired.STOPPED)


@pytest.mark.parametrize("make", [queued, backing_off, failed])
def test_a_stop_without_an_engine_is_done_at_once(make: Make) -> None:
    driver = make()

    driver.send(StopRequested())

    assert (driver.session.status, driver.reason) == (Status.STOPPED, ReasonCode.REQUESTED)
    assert driver.done(Dequeue) == [Dequeue()]
    assert driver.told() == ["session.status", "session.stopped"]
    assert driver.session.restarts.next_at is None


def test_a_stop_in_the_spawn_gap_ends_the_engine_once_it_is_known() -> None:
    driver = spawning()

    driver.send(StopRequested())
    assert driver.done(End) == []
    driver.launched()
    assert [end.launch.identity is not None for end in driver.done(End)] == [True]
    driver.end()

    assert driver.session.status is Status.STOPPED


@pytest.mark.parametrize("make", [Driver, banned, stopping, deleting])
def test_a_stop_of_a_session_going_or_gone_changes_nothing(make: Make) -> None:
    driver = make()
    before = driver.session

    driver.send(StopRequested())

    assert driver.session == before
    assert driver.steps == []


@pytest.mark.parametrize("code", [ReasonCode.ENGINE_UNRESPONSIVE, ReasonCode.MEMORY_LIMIT, ReasonCode.INTERNAL_ERROR])
def test_a_stop_while_an_engine_is_ended_for_another_cause_keeps_it_down(code: ReasonCode) -> None:
    driver = leaving(code)

    driver.send(StopRequested())
    driver.end()

    assert (driver.session.status, driver.reason) == (Status.STOPPED, ReasonCode.REQUESTED)
    assert (driver.session.restarts.count, driver.session.restarts.streak) == (0, 0)
    assert "session.crashed" not in driver.told()


def test_a_ban_outlives_a_start_that_was_taken_back() -> None:
    driver = connected()
    driver.report(LinkReport.BANNED, "403")

    driver.send(StartRequested(), StopRequested())
    driver.end()

    assert (driver.session.status, driver.reason) == (Status.BANNED, ReasonCode.BANNED)


@pytest.mark.parametrize("make", [queued, *UP, backing_off, failed])
def test_a_stop_until_the_next_start_keeps_the_wish(make: Make) -> None:
    driver = make()

    driver.send(StopRequested(until_start=True))
    if driver.session.process is ProcessState.STOPPING:
        driver.end()

    assert (driver.session.status, driver.session.desired) == (Status.STOPPED, Desired.RUNNING)


def test_a_plain_stop_after_a_stop_until_start_is_worth_a_write() -> None:
    driver = connected()
    driver.send(StopRequested(until_start=True))
    driver.end()

    driver.send(StopRequested())

    assert driver.session.desired is Desired.STOPPED
    assert isinstance(driver.answer, Decided)
    assert driver.answer.is_durable


@pytest.mark.parametrize("make", IDLE)
def test_a_restart_of_an_idle_session_starts_it(make: Make) -> None:
    driver = make()

    driver.send(RestartRequested())

    assert driver.done(Enqueue) == [Enqueue(cause=ReasonCode.REQUESTED)]


@pytest.mark.parametrize("make", UP)
def test_a_restart_ends_a_live_engine_and_starts_it_again(make: Make) -> None:
    driver = make()

    driver.send(RestartRequested())
    assert len(driver.done(End)) == 1
    driver.end()
    driver.boot()

    assert driver.session.process is ProcessState.RUNNING
    assert (driver.session.restarts.count, driver.session.launch_count) == (0, 2)
    assert driver.the("session.restarted").data["reason"] == "requested"


def test_a_restart_in_the_spawn_gap_waits_for_the_process() -> None:
    driver = spawning()

    driver.send(RestartRequested())
    driver.launched()
    driver.end()

    assert driver.session.process is ProcessState.STARTING
    assert driver.done(Enqueue) == [Enqueue(cause=ReasonCode.REQUESTED)]


def test_a_restart_in_the_queue_keeps_its_place() -> None:
    driver = queued()

    driver.send(RestartRequested())

    assert driver.commands == []
    assert driver.session.process is ProcessState.STARTING


@pytest.mark.parametrize(
    "make",
    [stopping, lambda: leaving(ReasonCode.MEMORY_LIMIT), lambda: leaving(ReasonCode.ENGINE_UNRESPONSIVE)],
)
def test_a_restart_while_an_engine_is_ended_starts_it_again_as_requested(make: Make) -> None:
    driver = make()

    driver.send(RestartRequested())
    driver.end()

    assert driver.session.process is ProcessState.STARTING
    assert driver.session.restarts == Restarts(last_reason=ReasonCode.REQUESTED)


@pytest.mark.parametrize("request_", [StartRequested(), RestartRequested()])
def test_a_session_being_deleted_is_not_started(request_: Request) -> None:
    driver = deleting()
    before = driver.session

    driver.send(request_)

    assert driver.answer == Refused(detail="the session is being deleted")
    assert driver.session == before
