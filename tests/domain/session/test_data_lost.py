"""An engine that lost its files: ended, and left to a person, for a restart would make a new instance of it."""

import pytest

from openwa_manager.domain.session.commands import End, Enqueue
from openwa_manager.domain.session.context import Dropped
from openwa_manager.domain.session.lifecycle import Decided
from openwa_manager.domain.session.reasons import DataLoss, ReasonCode, Words
from openwa_manager.domain.session.session import DataState, ProcessState, Status
from openwa_manager.domain.session.stimuli import DataInspected, LaunchFailed, RestartRequested
from tests.domain.session.driver import Driver, connected, spawning

FILES = {"main.sqlite": "1:11", "openwa.sqlite": "1:12"}
WHOLE = DataState(directory="1:10", databases=FILES)
A_DAY_S = 86_400.0


def inspected(driver: Driver, data: DataState) -> None:
    driver.send(DataInspected(launch_id=driver.launch_id, data=data))


def at_work() -> Driver:
    driver = connected()
    inspected(driver, WHOLE)
    return driver


@pytest.mark.parametrize(
    ("now", "loss"),
    [
        (DataState(directory=None), DataLoss.DIRECTORY_REMOVED),
        (DataState(directory="1:99", databases=FILES), DataLoss.DIRECTORY_REPLACED),
        (DataState(directory="1:10", databases={"main.sqlite": "1:11"}), DataLoss.DATABASE_LOST),
        (DataState(directory="1:10", databases={**FILES, "openwa.sqlite": "1:98"}), DataLoss.DATABASE_LOST),
    ],
)
def test_an_engine_that_lost_its_files_is_ended_and_says_what_to_do(now: DataState, loss: DataLoss) -> None:
    driver = at_work()

    inspected(driver, now)

    assert driver.session.process is ProcessState.STOPPING
    assert driver.done(End)
    driver.end()
    assert (driver.session.status, driver.reason) == (Status.FAILED, ReasonCode.ENGINE_DATA_LOST)
    assert driver.session.reason is not None
    assert (
        driver.session.reason.detail
        == f"{loss}: put its files back, then start the session; without them it shows a new code"
    )
    assert driver.the("session.failed").data["reason"] == "engine_data_lost"


def test_it_is_not_tried_again_however_long_it_takes() -> None:
    driver = at_work()
    inspected(driver, DataState(directory=None))
    driver.end()
    driver.forget_so_far()

    driver.wait(A_DAY_S)
    driver.resume(is_alive=False, at_daemon_start=True)
    driver.wait(A_DAY_S)

    assert driver.session.status is Status.FAILED
    assert driver.session.restarts.next_at is None
    assert not driver.done(Enqueue)


def test_a_person_may_start_it() -> None:
    driver = at_work()
    inspected(driver, DataState(directory=None))
    driver.end()

    driver.send(RestartRequested())
    driver.boot()

    assert driver.session.process is ProcessState.RUNNING
    assert driver.session.launch is not None
    assert driver.session.launch.data is None


def test_the_first_look_at_a_launch_is_worth_a_write_and_no_line_in_the_timeline() -> None:
    driver = connected()

    inspected(driver, WHOLE)

    assert isinstance(driver.answer, Decided)
    assert driver.answer.is_durable
    assert (driver.answer.steps, driver.answer.events) == ((), ())
    assert driver.session.launch is not None
    assert driver.session.launch.data == WHOLE


def test_a_look_that_shows_the_same_changes_nothing() -> None:
    driver = at_work()

    inspected(driver, WHOLE)

    assert isinstance(driver.answer, Dropped)


def test_what_was_not_there_at_the_first_look_cannot_be_lost() -> None:
    driver = connected()
    inspected(driver, DataState(directory=None))

    inspected(driver, WHOLE)
    inspected(driver, DataState(directory="1:10", databases={**FILES, "third.sqlite": "1:13"}))

    assert driver.session.process is ProcessState.RUNNING


def test_a_launch_refused_for_lost_files_is_not_tried_again_either() -> None:
    driver = spawning()

    driver.send(LaunchFailed(launch_id=driver.launch_id, code=ReasonCode.ENGINE_DATA_LOST, facts=Words(text="gone")))
    driver.wait(A_DAY_S)

    assert (driver.session.status, driver.reason) == (Status.FAILED, ReasonCode.ENGINE_DATA_LOST)
