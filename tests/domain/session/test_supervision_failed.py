"""A session the daemon itself keeps failing on is left alone, loudly, and tried again later."""

from openwa_manager.domain.session.commands import Dequeue, End
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import ProcessState
from openwa_manager.domain.session.stimuli import SupervisionFailed
from tests.domain.session.driver import Driver, backing_off, connected, queued


def test_a_live_engine_is_ended_and_the_session_failed() -> None:
    driver = connected()

    driver.send(SupervisionFailed())
    ends = driver.done(End)
    driver.end()

    assert ends
    assert driver.session.process is ProcessState.FAILED
    assert driver.reason is ReasonCode.INTERNAL_ERROR
    assert driver.the("session.failed").data["reason"] == "internal_error"


def test_a_session_without_an_engine_fails_at_once() -> None:
    for driver in (queued(), backing_off()):
        driver.send(SupervisionFailed())

        assert driver.session.process is ProcessState.FAILED
        assert driver.reason is ReasonCode.INTERNAL_ERROR
        assert driver.done(Dequeue)


def test_a_failed_session_is_tried_again_after_the_slow_pause() -> None:
    driver = backing_off()
    driver.send(SupervisionFailed())

    driver.wait(driver.policy.restart.slow_retry_s + 1)

    assert driver.session.process is ProcessState.STARTING


def test_a_stopped_session_stays_as_it_is() -> None:
    driver = Driver()
    before = driver.session

    driver.send(SupervisionFailed())

    assert driver.session == before
