"""A launch for which the host has run out of something: said once, tried for so long, then given up for a while."""

from openwa_manager.domain.session.commands import End
from openwa_manager.domain.session.context import Dropped
from openwa_manager.domain.session.reasons import HostLimit, ReasonCode
from openwa_manager.domain.session.session import ProcessState, Status
from openwa_manager.domain.session.stimuli import LaunchPostponed
from tests.domain.session.stage import Stage, booting, spawning

LIMIT_S = 45


def postpone(stage: Stage, limit: HostLimit = HostLimit.PROCESSES) -> None:
    stage.play(LaunchPostponed(launch_id=stage.launch_id, limit=limit))


def test_a_postponed_launch_says_what_the_host_has_run_out_of() -> None:
    stage = spawning()

    postpone(stage)

    assert (stage.session.status, stage.reason) == (Status.CREATING, ReasonCode.HOST_LIMIT)
    assert stage.session.reason is not None
    assert stage.session.reason.detail == "the host has run out of processes"
    assert [step.decision for step in stage.steps] == ["launch postponed: the host has run out of processes"]


def test_it_says_so_once_for_each_cause() -> None:
    stage = spawning()

    postpone(stage)
    postpone(stage)
    assert isinstance(stage.answer, Dropped)
    postpone(stage, HostLimit.DISK)

    assert [step.evidence["limit"] for step in stage.steps] == ["processes", "disk space or inodes"]


def test_a_launch_that_works_after_all_goes_on_as_any_other() -> None:
    stage = spawning()
    postpone(stage)
    stage.wait(LIMIT_S - 1)

    stage.launched()
    stage.wait(2)
    stage.ready()

    assert (stage.session.process, stage.reason) == (ProcessState.RUNNING, None)


def test_a_launch_postponed_for_too_long_is_given_up_and_tried_again_later() -> None:
    stage = spawning()
    postpone(stage)

    stage.wait(LIMIT_S)
    stage.launch_failed()
    given_up = (stage.session.process, stage.reason)
    stage.wait(60)

    assert given_up == (ProcessState.BACKOFF, ReasonCode.HOST_LIMIT)
    assert stage.session.process is ProcessState.STARTING


def test_another_cause_gives_it_no_more_time() -> None:
    stage = spawning()
    postpone(stage)
    stage.wait(LIMIT_S - 1)

    postpone(stage, HostLimit.OPEN_FILES)
    stage.wait(1)

    assert stage.session.process is ProcessState.STOPPING


def test_an_engine_that_was_started_while_its_launch_was_given_up_is_ended() -> None:
    stage = spawning()
    postpone(stage)
    stage.wait(LIMIT_S)

    stage.launched()

    assert len(stage.done(End)) == 1


def test_nothing_is_postponed_once_the_process_is_there() -> None:
    stage = booting()

    postpone(stage)

    assert isinstance(stage.answer, Dropped)
    assert stage.reason is ReasonCode.REQUESTED
