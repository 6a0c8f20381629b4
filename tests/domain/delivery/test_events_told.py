"""What an engine tells besides its link: restrictions, messages, signs of life."""

import pytest

from openwa_manager.domain.session.commands import Observe
from openwa_manager.domain.session.context import Dropped
from openwa_manager.domain.session.lifecycle import Decided
from openwa_manager.domain.session.reasons import ReasonCode, Restriction
from openwa_manager.domain.session.session import LinkState, ProcessState, Status
from openwa_manager.domain.session.stimuli import (
    ActivitySeen,
    EngineEventReceived,
    LinkCheckRequested,
    LinkReport,
    MessageAcknowledged,
    Restricted,
)
from tests.domain.session.stage import (
    Stage,
    connected,
    spawning,
)

RESTRICTION = Restriction(kind="reachout_timelock", code="BIZ")


def restricted(stage: Stage, *, is_active: bool) -> Restricted:
    return Restricted(launch_id=stage.launch_id, is_active=is_active, restriction=RESTRICTION)


def test_a_restriction_is_told_once_and_the_link_goes_on() -> None:
    stage = connected()

    stage.play(restricted(stage, is_active=True))
    stage.play(restricted(stage, is_active=True))

    assert isinstance(stage.answer, Dropped)
    assert stage.told() == ["session.restricted"]
    assert (stage.session.status, stage.reason) == (Status.CONNECTED, ReasonCode.RESTRICTED)


def test_a_restriction_outlives_the_next_sign_of_the_connection() -> None:
    stage = connected()
    stage.play(restricted(stage, is_active=True))

    stage.report(LinkReport.CONNECTED)

    assert stage.reason is ReasonCode.RESTRICTED


def test_a_restriction_that_was_lifted_is_forgotten() -> None:
    stage = connected()
    stage.play(restricted(stage, is_active=True))

    stage.play(restricted(stage, is_active=False))
    assert stage.reason is None
    stage.play(restricted(stage, is_active=False))

    assert isinstance(stage.answer, Dropped)


def test_a_restriction_does_not_hide_why_the_link_is_down() -> None:
    stage = connected()
    stage.report(LinkReport.DISCONNECTED)
    stage.forget_so_far()

    stage.play(restricted(stage, is_active=True))
    assert stage.told() == ["session.restricted"]
    stage.play(restricted(stage, is_active=False))
    assert isinstance(stage.answer, Dropped)
    stage.wait(300)

    assert stage.session.process is ProcessState.STOPPING


@pytest.mark.parametrize(
    ("fate", "error_code"), [("sent", None), ("delivered", None), ("read", None), ("failed", "failed")]
)
def test_the_fate_of_a_message_is_told(fate: str, error_code: str | None) -> None:
    stage = connected()

    stage.play(MessageAcknowledged(launch_id=stage.launch_id, message_id="3EB0", fate=fate, to="1@c.us"))

    assert stage.the(f"message.{fate}").data == {
        "message_id": "3EB0",
        "manager_message_id": None,
        "to": "1@c.us",
        "reference": None,
        "error_code": error_code,
    }


def test_other_news_of_the_engine_is_handed_on_unchanged() -> None:
    stage = connected()

    stage.play(EngineEventReceived(launch_id=stage.launch_id, type="group.join", data={"a": [1, None]}))

    assert stage.the("group.join").data == {"data": {"a": [1, None]}}
    assert stage.steps == []


def test_a_hint_is_answered_by_asking_the_engine() -> None:
    stage = connected()

    stage.play(LinkCheckRequested(launch_id=stage.launch_id))

    assert [observe.launch for observe in stage.done(Observe)] == [stage.session.launch]
    assert isinstance(stage.answer, Decided)
    assert not stage.answer.is_durable


def test_a_sign_of_life_is_remembered_without_a_write() -> None:
    stage = connected()

    stage.wait(5)
    stage.play(ActivitySeen(launch_id=stage.launch_id))

    assert stage.session.last_seen_at == stage.at
    assert isinstance(stage.answer, Decided)
    assert not stage.answer.is_durable


def test_a_code_is_taken_while_the_process_is_not_yet_known() -> None:
    stage = spawning()

    stage.show_code()

    assert stage.session.link is LinkState.QR_READY
