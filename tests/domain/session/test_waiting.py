"""A session that is coming up and of which nothing is heard says after a while what it waits for."""

from collections.abc import Callable

import pytest

from openwa_manager.domain.session.deadlines import SLOW_S
from openwa_manager.domain.session.launch_facts import StillWaiting, WaitsFor
from openwa_manager.domain.session.reasons import Facts, ReasonCode
from openwa_manager.domain.session.session import LinkState, ProcessState, Status
from openwa_manager.domain.session.stimuli import BringUpRefused, LinkReport
from tests.domain.session.driver import Driver, booting, connected_again, queued, running, spawning


def facts(driver: Driver) -> Facts | None:
    return driver.session.reason.facts if driver.session.reason else None


@pytest.mark.parametrize(
    ("make", "code", "what"),
    [
        (spawning, ReasonCode.REQUESTED, WaitsFor.PROCESS),
        (booting, ReasonCode.REQUESTED, WaitsFor.ANSWER),
        (running, ReasonCode.QR_NOT_PRODUCED, WaitsFor.CODE),
        (connected_again, ReasonCode.NETWORK, WaitsFor.CONNECTION),
    ],
)
def test_a_creating_session_says_what_it_waits_for(
    make: Callable[[], Driver], code: ReasonCode, what: WaitsFor
) -> None:
    driver = make()

    driver.wait(SLOW_S - 1)
    before = facts(driver)
    driver.wait(1)

    assert not isinstance(before, StillWaiting)
    assert driver.session.status is Status.CREATING
    assert (driver.reason, facts(driver)) == (code, StillWaiting(what=what, waited_s=SLOW_S))
    assert [step.decision for step in driver.steps] == [driver.session.reason.detail if driver.session.reason else ""]
    assert driver.told() == []


def test_it_says_so_once() -> None:
    driver = running()

    driver.wait(4 * SLOW_S)

    assert len(driver.steps) == 1


def test_a_session_that_waits_at_the_gate_has_said_so_already() -> None:
    driver = queued()

    driver.wait(4 * SLOW_S)

    assert driver.reason is ReasonCode.QUEUED


def test_what_an_engine_says_itself_is_not_overwritten() -> None:
    driver = booting()
    driver.send(BringUpRefused(launch_id=driver.launch_id, detail="404"))

    driver.wait(2 * SLOW_S)

    assert driver.session.reason is not None
    assert driver.session.reason.detail == "404"


def test_an_offline_host_is_named_instead_of_the_network() -> None:
    driver = connected_again()
    driver.is_offline = True

    driver.wait(SLOW_S)

    assert driver.reason is ReasonCode.HOST_OFFLINE


def test_the_wait_is_forgotten_once_something_happens() -> None:
    coming_up, showing, linked = booting(), running(), connected_again()
    for driver in (coming_up, showing, linked):
        driver.wait(SLOW_S)

    coming_up.ready()
    showing.show_code()
    linked.report(LinkReport.CONNECTED)

    assert coming_up.session.process is ProcessState.RUNNING
    assert (showing.session.link, linked.session.link) == (LinkState.QR_READY, LinkState.CONNECTED)
    assert [driver.reason for driver in (coming_up, showing, linked)] == [None, None, None]
