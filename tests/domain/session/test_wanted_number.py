"""A session that is to be linked to one account: no other stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.session.commands import End, ForgetCredentials, Observe
from openwa_manager.domain.session.context import Dropped, Refused
from openwa_manager.domain.session.numbers import is_same_number
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Desired, LinkState, ProcessState, Status
from openwa_manager.domain.session.stimuli import (
    AccountUnlinked,
    LinkReport,
    LinkReported,
    PairingRequested,
    RestartRequested,
    StartRequested,
)
from tests.domain.session.driver import (
    IDLE,
    PHONE,
    Driver,
    Make,
    booting,
    connected,
    connected_again,
    deleting,
    queued,
    showing_code,
    stopping,
)

OTHER = "4915112345678"


def pairing(phone_number: str | None = PHONE) -> Driver:
    driver = Driver()
    driver.send(PairingRequested(phone_number=phone_number))
    driver.boot()
    driver.show_code()
    driver.forget_so_far()
    return driver


def link(driver: Driver, phone_number: str | None) -> None:
    driver.send(LinkReported(launch_id=driver.launch_id, link=LinkReport.CONNECTED, phone_number=phone_number))


@pytest.mark.parametrize("make", [*IDLE, queued, booting, showing_code])
def test_pairing_runs_the_session_and_keeps_who_is_wanted(make: Make) -> None:
    driver = make()

    driver.send(PairingRequested(phone_number=PHONE))

    assert driver.session.desired is Desired.RUNNING
    assert driver.session.process in (ProcessState.STARTING, ProcessState.RUNNING)
    assert driver.session.wanted_number == PHONE
    assert driver.steps, "what is wanted outlives the daemon"


def test_an_engine_that_is_going_down_comes_up_again_for_it() -> None:
    driver = stopping()

    driver.send(PairingRequested(phone_number=PHONE))
    driver.end()

    assert (driver.session.process, driver.session.wanted_number) == (ProcessState.STARTING, PHONE)


@pytest.mark.parametrize("make", [connected, deleting])
def test_what_is_linked_or_being_deleted_is_not_paired(make: Make) -> None:
    driver = make()
    before = driver.session

    driver.send(PairingRequested(phone_number=PHONE))

    assert isinstance(driver.answer, Refused)
    assert driver.session == before


def test_a_session_that_holds_another_account_is_left_alone() -> None:
    driver = connected_again()
    before = driver.session

    driver.send(PairingRequested(phone_number=OTHER))

    assert isinstance(driver.answer, Refused)
    assert driver.session == before


def test_a_session_that_holds_the_wanted_account_already_may_be_paired() -> None:
    driver = connected_again()

    driver.send(PairingRequested(phone_number=PHONE))

    assert driver.session.wanted_number == PHONE


def test_the_wanted_account_connects_and_nothing_more_is_wanted() -> None:
    driver = pairing()

    link(driver, PHONE)

    assert driver.session.status is Status.CONNECTED
    assert driver.session.wanted_number is None


def test_another_account_is_never_connected_and_the_engine_is_ended() -> None:
    driver = pairing()

    link(driver, OTHER)

    assert "session.connected" not in [each.type for each in driver.events]
    assert driver.the("session.logged_out").data["reason"] == "wrong_number"
    assert driver.done(End)
    assert driver.done(ForgetCredentials)
    assert (driver.session.phone_number, driver.session.desired) == (None, Desired.STOPPED)


def test_it_stays_down_as_logged_out_once_its_engine_has_ended() -> None:
    driver = pairing()
    link(driver, OTHER)

    driver.send(AccountUnlinked(launch_id=driver.launch_id))
    driver.end()

    assert (driver.session.status, driver.reason) == (Status.LOGGED_OUT, ReasonCode.WRONG_NUMBER)
    assert driver.session.wanted_number is None


def test_an_account_that_could_not_be_unlinked_is_refused_again_at_the_next_start() -> None:
    driver = pairing()
    link(driver, OTHER)
    driver.end()
    driver.send(StartRequested())
    driver.boot()

    link(driver, OTHER)

    assert driver.session.link is LinkState.LOGGED_OUT


def test_a_start_by_somebody_else_lets_any_account_be_linked() -> None:
    driver = pairing()
    driver.wait(driver.policy.link.pairing_window_s)
    driver.end()
    driver.send(StartRequested())
    driver.boot()
    driver.show_code()

    link(driver, OTHER)

    assert driver.session.status is Status.CONNECTED


def test_a_restart_in_between_forgets_nothing() -> None:
    driver = pairing()
    driver.send(RestartRequested())
    driver.end()
    driver.boot()

    link(driver, OTHER)

    assert driver.session.link is LinkState.LOGGED_OUT


def test_a_number_that_is_not_told_yet_is_waited_for() -> None:
    driver = pairing()

    link(driver, None)

    assert driver.session.status is Status.AUTHENTICATING
    assert driver.done(Observe)
    assert driver.session.qr is None
    link(driver, None)
    assert isinstance(driver.answer, Dropped)
    link(driver, OTHER)
    assert driver.session.link is LinkState.LOGGED_OUT


def test_without_a_wanted_number_any_account_is_linked() -> None:
    driver = pairing(None)

    link(driver, None)

    assert driver.session.status is Status.CONNECTED


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+85212345678", "85212345678"),
        ("525512345678", "5215512345678"),
        ("541112345678", "5491112345678"),
        ("5511987654321", "551187654321"),
    ],
)
def test_an_account_is_known_however_its_number_is_spelled(one: str, other: str) -> None:
    assert is_same_number(one, other)
    assert is_same_number(other, one)


@given(st.from_regex(r"[1-9][0-9]{5,14}", fullmatch=True), st.from_regex(r"[1-9][0-9]{5,14}", fullmatch=True))
def test_numbers_of_different_countries_are_never_one_account(one: str, other: str) -> None:
    assert is_same_number(one, one)
    assert not is_same_number(one, other) or one[:2] == other[:2]


def test_whoever_asks_has_the_whole_window_although_codes_are_shown_already() -> None:
    driver = showing_code()
    driver.wait(170)

    driver.send(PairingRequested())
    driver.wait(170)
    driver.show_code("b")
    assert driver.session.process is ProcessState.RUNNING
    driver.wait(11)

    assert (driver.session.process, driver.reason) == (ProcessState.STOPPING, ReasonCode.QR_EXPIRED)
