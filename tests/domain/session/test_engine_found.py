"""A live engine of ours that is found in place of a launch."""

import pytest

from openwa_manager.domain.session.commands import BringUp, End, Spawn, WatchExit
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Launch, LaunchId, ProcessState, Status
from openwa_manager.domain.session.stimuli import (
    DeleteRequested,
    EngineFound,
    RestartRequested,
    StopRequested,
)
from tests.domain.session.driver import AT, Driver, a_launch, an_identity, backing_off, failed, queued, spawning


def found_by(driver: Driver) -> Launch:
    """Have a live engine found in place of the launch that was to be, and return the launch it is of."""
    assert driver.session.launch is not None
    found = Launch(
        launch_id=LaunchId("found"),
        number=driver.session.launch.number,
        port=28200,
        secret="theirs",
        cause=ReasonCode.ADOPTED,
        launched_at=driver.at,
        identity=an_identity(7),
    )
    driver.send(EngineFound(launch_id=driver.launch_id, launch=found, engine_key="its key"))
    return found


def test_it_is_adopted_and_nothing_is_launched() -> None:
    driver = spawning()

    found = found_by(driver)

    assert driver.session.launch == found
    assert driver.session.engine_key == "its key"
    assert driver.session.pid == found.identity.pid if found.identity else False
    assert (driver.session.process, driver.reason) == (ProcessState.STARTING, ReasonCode.ADOPTED)
    assert driver.done(WatchExit) == [WatchExit(launch=found, identity=an_identity(7))]
    assert driver.done(BringUp) == [BringUp(launch=found)]
    assert driver.done(Spawn) == []
    assert [step.decision for step in driver.steps] == ["adopted"]
    driver.ready()
    assert driver.session.process is ProcessState.RUNNING
    assert driver.told() == []


def test_after_a_crash_it_costs_no_second_engine() -> None:
    driver = backing_off()
    driver.wait(1.0)
    driver.slot()

    found = found_by(driver)
    driver.ready()

    assert driver.session.launch == found
    assert "session.restarted" not in driver.told()


def test_a_restart_that_was_asked_for_ends_it_and_starts_a_new_one() -> None:
    driver = Driver()
    driver.send(RestartRequested())
    driver.slot()

    found = found_by(driver)
    ended = driver.done(End)
    driver.end()

    assert ended == [End(launch=found)]
    assert (driver.session.process, driver.session.launch) == (ProcessState.STARTING, None)
    driver.boot()
    assert driver.session.launch_count == 2


@pytest.mark.parametrize("request_", [StopRequested(), DeleteRequested()])
def test_it_is_ended_if_the_launch_was_ended_meanwhile(request_: StopRequested | DeleteRequested) -> None:
    driver = spawning()
    driver.send(request_)

    found = found_by(driver)

    assert driver.session.status is Status.STOPPING
    assert driver.done(End) == [End(launch=found)]
    driver.end()
    assert driver.session.launch is None


def test_it_means_nothing_once_another_launch_has_begun() -> None:
    driver = failed()
    stale = EngineFound(launch_id=LaunchId("launch-1"), launch=a_launch(1, AT), engine_key="k")
    queued_again = queued()

    for each in (driver, queued_again):
        each.send(stale)

        assert each.session.launch is None
