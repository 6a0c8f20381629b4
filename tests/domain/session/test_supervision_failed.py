"""A session the daemon itself keeps failing on is left alone, loudly, and tried again later."""

from openwa_manager.domain.session.commands import Dequeue, End
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import ProcessState
from openwa_manager.domain.session.stimuli import SupervisionFailed
from tests.domain.session.stage import Stage, backing_off, connected, queued


def test_a_live_engine_is_ended_and_the_session_failed() -> None:
    stage = connected()

    stage.play(SupervisionFailed())
    ends = stage.done(End)
    stage.end()

    assert ends
    assert stage.session.process is ProcessState.FAILED
    assert stage.reason is ReasonCode.INTERNAL_ERROR
    assert stage.the("session.failed").data["reason"] == "internal_error"


def test_a_session_without_an_engine_fails_at_once() -> None:
    for stage in (queued(), backing_off()):
        stage.play(SupervisionFailed())

        assert stage.session.process is ProcessState.FAILED
        assert stage.reason is ReasonCode.INTERNAL_ERROR
        assert stage.done(Dequeue)


def test_a_failed_session_is_tried_again_after_the_slow_pause() -> None:
    stage = backing_off()
    stage.play(SupervisionFailed())

    stage.wait(stage.policy.restart.slow_retry_s + 1)

    assert stage.session.process is ProcessState.STARTING


def test_a_stopped_session_stays_as_it_is() -> None:
    stage = Stage()
    before = stage.session

    stage.play(SupervisionFailed())

    assert stage.session == before
