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
from tests.domain.session.driver import (
    Driver,
    connected,
    spawning,
)

RESTRICTION = Restriction(kind="reachout_timelock", code="BIZ")


def restricted(driver: Driver, *, is_active: bool) -> Restricted:
    return Restricted(launch_id=driver.launch_id, is_active=is_active, restriction=RESTRICTION)


def test_a_restriction_is_told_once_and_the_link_goes_on() -> None:
    driver = connected()

    driver.send(restricted(driver, is_active=True))
    driver.send(restricted(driver, is_active=True))

    assert isinstance(driver.answer, Dropped)
    assert driver.told() == ["session.restricted"]
    assert (driver.session.status, driver.reason) == (Status.CONNECTED, ReasonCode.RESTRICTED)


def test_a_restriction_outlives_the_next_sign_of_the_connection() -> None:
    driver = connected()
    driver.send(restricted(driver, is_active=True))

    driver.report(LinkReport.CONNECTED)

    assert driver.reason is ReasonCode.RESTRICTED


def test_a_restriction_that_was_lifted_is_forgotten() -> None:
    driver = connected()
    driver.send(restricted(driver, is_active=True))

    driver.send(restricted(driver, is_active=False))

    assert driver.reason is None


def test_a_restriction_does_not_hide_why_the_link_is_down() -> None:
    driver = connected()
    driver.report(LinkReport.DISCONNECTED)
    driver.forget_so_far()

    driver.send(restricted(driver, is_active=True))
    assert driver.told() == ["session.restricted"]
    driver.send(restricted(driver, is_active=False))
    assert driver.reason is ReasonCode.NETWORK
    driver.wait(300)

    assert driver.session.process is ProcessState.STOPPING


@pytest.mark.parametrize(
    ("fate", "error_code"), [("sent", None), ("delivered", None), ("read", None), ("failed", "failed")]
)
def test_the_fate_of_a_message_is_told(fate: str, error_code: str | None) -> None:
    driver = connected()

    driver.send(MessageAcknowledged(launch_id=driver.launch_id, message_id="3EB0", fate=fate, to="1@c.us"))

    assert driver.the(f"message.{fate}").data == {
        "message_id": "3EB0",
        "to": "1@c.us",
        "error_code": error_code,
    }


def test_other_news_of_the_engine_is_handed_on_unchanged() -> None:
    driver = connected()

    driver.send(EngineEventReceived(launch_id=driver.launch_id, type="group.join", data={"a": [1, None]}))

    assert driver.the("group.join").data == {"data": {"a": [1, None]}}
    assert driver.steps == []


def test_a_hint_is_answered_by_asking_the_engine() -> None:
    driver = connected()

    driver.send(LinkCheckRequested(launch_id=driver.launch_id))

    assert [observe.launch for observe in driver.done(Observe)] == [driver.session.launch]
    assert isinstance(driver.answer, Decided)
    assert not driver.answer.is_durable


def test_a_sign_of_life_is_remembered_without_a_write() -> None:
    driver = connected()

    driver.wait(5)
    driver.send(ActivitySeen(launch_id=driver.launch_id))

    assert driver.session.last_seen_at == driver.at
    assert isinstance(driver.answer, Decided)
    assert not driver.answer.is_durable


def test_a_code_is_taken_while_the_process_is_not_yet_known() -> None:
    driver = spawning()

    driver.show_code()

    assert driver.session.link is LinkState.QR_READY
