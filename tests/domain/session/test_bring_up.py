"""An engine that answers, but not as ours should: what stands in the way is said, and said again when time is up."""

from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import ProcessState
from openwa_manager.domain.session.stimuli import BringUpRefused
from tests.domain.session.driver import Driver, booting

STRANGER = "another program holds the port"


def refused(driver: Driver, detail: str = STRANGER) -> None:
    driver.send(BringUpRefused(launch_id=driver.launch_id, detail=detail))


def test_what_stands_in_the_way_is_the_reason() -> None:
    driver = booting()

    refused(driver)

    assert driver.session.reason is not None
    assert driver.session.reason.detail == STRANGER
    assert driver.session.process is ProcessState.STARTING


def test_the_same_refusal_again_is_no_news() -> None:
    driver = booting()
    refused(driver)
    before = driver.session

    refused(driver)

    assert driver.session == before


def test_another_refusal_is_shown_without_a_step_of_its_own() -> None:
    driver = booting()
    refused(driver)
    before = driver.session

    refused(driver, "no answer")

    assert driver.session.reason is not None
    assert driver.session.reason.detail == "no answer"
    assert driver.session.updated_at == before.updated_at
    assert [step.decision for step in driver.steps] == ["not up yet"]


def test_the_boot_deadline_repeats_it() -> None:
    driver = booting()
    refused(driver)

    driver.wait(driver.policy.link.boot_timeout_s + 1)

    assert driver.reason is ReasonCode.BOOT_TIMEOUT
    assert driver.session.reason is not None
    assert driver.session.reason.detail == f"not up within 45 s: {STRANGER}"


def test_without_a_refusal_the_deadline_says_only_that_it_was_met() -> None:
    driver = booting()

    driver.wait(driver.policy.link.boot_timeout_s + 1)

    assert driver.session.reason is not None
    assert driver.session.reason.detail == "not up within 45 s"
