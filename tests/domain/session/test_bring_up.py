"""An engine that answers, but not as ours should: what stands in the way is said, and said again when time is up."""

from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import ProcessState
from openwa_manager.domain.session.stimuli import BringUpRefused
from tests.domain.session.stage import Stage, booting

STRANGER = "another program holds the port"


def refused(stage: Stage, detail: str = STRANGER) -> None:
    stage.play(BringUpRefused(launch_id=stage.launch_id, detail=detail))


def test_what_stands_in_the_way_is_the_reason() -> None:
    stage = booting()

    refused(stage)

    assert stage.session.reason is not None
    assert stage.session.reason.detail == STRANGER
    assert stage.session.process is ProcessState.STARTING


def test_the_same_refusal_again_is_no_news() -> None:
    stage = booting()
    refused(stage)
    before = stage.session

    refused(stage)

    assert stage.session == before


def test_another_refusal_is_shown_without_a_step_of_its_own() -> None:
    stage = booting()
    refused(stage)
    before = stage.session

    refused(stage, "no answer")

    assert stage.session.reason is not None
    assert stage.session.reason.detail == "no answer"
    assert stage.session.updated_at == before.updated_at
    assert [step.decision for step in stage.steps] == ["not up yet"]


def test_the_boot_deadline_repeats_it() -> None:
    stage = booting()
    refused(stage)

    stage.wait(stage.policy.link.boot_timeout_s + 1)

    assert stage.reason is ReasonCode.BOOT_TIMEOUT
    assert stage.session.reason is not None
    assert stage.session.reason.detail == f"not up within 45 s: {STRANGER}"


def test_without_a_refusal_the_deadline_says_only_that_it_was_met() -> None:
    stage = booting()

    stage.wait(stage.policy.link.boot_timeout_s + 1)

    assert stage.session.reason is not None
    assert stage.session.reason.detail == "not up within 45 s"
