"""A launch for which the host has run out of something: said once, tried for so long, then given up for a while."""

from openwa_manager.domain.session.commands import End
from openwa_manager.domain.session.context import Dropped
from openwa_manager.domain.session.reasons import HostLimit, ReasonCode
from openwa_manager.domain.session.session import ProcessState, Status
from openwa_manager.domain.session.stimuli import LaunchPostponed
from tests.domain.session.driver import Driver, booting, spawning

LIMIT_S = 45


def postpone(driver: Driver, limit: HostLimit = HostLimit.PROCESSES) -> None:
    driver.send(LaunchPostponed(launch_id=driver.launch_id, limit=limit))


def test_a_postponed_launch_says_what_the_host_has_run_out_of() -> None:
    driver = spawning()

    postpone(driver)

    assert (driver.session.status, driver.reason) == (Status.CREATING, ReasonCode.HOST_LIMIT)
    assert driver.session.reason is not None
    assert driver.session.reason.detail == "the host has run out of processes"
    assert [step.decision for step in driver.steps] == ["launch postponed: the host has run out of processes"]


def test_it_says_so_once_for_each_cause() -> None:
    driver = spawning()

    postpone(driver)
    postpone(driver)
    assert isinstance(driver.answer, Dropped)
    postpone(driver, HostLimit.DISK)

    assert [step.evidence["limit"] for step in driver.steps] == ["processes", "disk space or inodes"]


def test_a_launch_that_works_after_all_goes_on_as_any_other() -> None:
    driver = spawning()
    postpone(driver)
    driver.wait(LIMIT_S - 1)

    driver.launched()
    driver.wait(2)
    driver.ready()

    assert (driver.session.process, driver.reason) == (ProcessState.RUNNING, None)


def test_a_launch_postponed_for_too_long_is_given_up_and_tried_again_later() -> None:
    driver = spawning()
    postpone(driver)

    driver.wait(LIMIT_S)
    driver.launch_failed()
    given_up = (driver.session.process, driver.reason)
    driver.wait(60)

    assert given_up == (ProcessState.BACKOFF, ReasonCode.HOST_LIMIT)
    assert driver.session.process is ProcessState.STARTING


def test_another_cause_gives_it_no_more_time() -> None:
    driver = spawning()
    postpone(driver)
    driver.wait(LIMIT_S - 1)

    postpone(driver, HostLimit.OPEN_FILES)
    driver.wait(1)

    assert driver.session.process is ProcessState.STOPPING


def test_an_engine_that_was_started_while_its_launch_was_given_up_is_ended() -> None:
    driver = spawning()
    postpone(driver)
    driver.wait(LIMIT_S)

    driver.launched()

    assert len(driver.done(End)) == 1


def test_nothing_is_postponed_once_the_process_is_there() -> None:
    driver = booting()

    postpone(driver)

    assert isinstance(driver.answer, Dropped)
    assert driver.reason is ReasonCode.REQUESTED
