"""What becomes of an account's link: drops, takeovers, bans, logouts, and a host that is offline."""

import pytest

from openwa_manager.domain.session.commands import End, Observe
from openwa_manager.domain.session.context import Dropped
from openwa_manager.domain.session.reasons import Reason, ReasonCode, Restriction, Silence
from openwa_manager.domain.session.session import Desired, ProcessState, Status
from openwa_manager.domain.session.stimuli import (
    LinkReport,
    LinkReported,
    Restricted,
    SilenceNoticed,
)
from tests.domain.session.driver import (
    PHONE,
    Driver,
    Make,
    authenticating,
    connected,
    connected_again,
    running,
    showing_code,
)


def test_a_connection_names_the_account() -> None:
    driver = authenticating()

    driver.report(LinkReport.CONNECTED)

    session = driver.session
    assert driver.the("session.connected").data == {"phone_number": PHONE, "push_name": None}
    assert (session.connected_at, session.last_connected_at, session.last_seen_at) == (driver.at,) * 3
    assert (session.pairing_started_at, session.qr_attempts) == (None, 0)


def test_details_that_come_later_are_kept_without_an_event() -> None:
    driver = connected()

    driver.send(LinkReported(launch_id=driver.launch_id, link=LinkReport.CONNECTED, push_name="Ada"))

    assert (driver.session.phone_number, driver.session.push_name) == (PHONE, "Ada")
    assert driver.told() == []


def test_connected_again_is_no_news() -> None:
    driver = connected()

    driver.report(LinkReport.CONNECTED)

    assert isinstance(driver.answer, Dropped)


@pytest.mark.parametrize("report", [LinkReport.INITIALIZING, LinkReport.DISCONNECTED, LinkReport.FAILED])
def test_a_drop_is_told_at_once(report: LinkReport) -> None:
    driver = connected()

    driver.report(report)

    assert driver.told() == ["session.status", "session.disconnected"]
    assert (driver.session.status, driver.reason) == (Status.DISCONNECTED, ReasonCode.NETWORK)
    assert driver.session.connected_at is None


def silence(driver: Driver) -> None:
    driver.send(SilenceNoticed(launch_id=driver.launch_id, limit_s=60.0))


def test_silence_takes_a_connection_down_and_says_for_how_long_it_lasted() -> None:
    driver = connected()

    silence(driver)

    assert driver.told() == ["session.status", "session.disconnected"]
    assert driver.session.reason == Reason(code=ReasonCode.NETWORK, facts=Silence(limit_s=60.0), at=driver.at)


def test_silence_is_the_hosts_fault_while_it_is_offline() -> None:
    driver = connected()
    driver.is_offline = True

    silence(driver)

    assert driver.reason is ReasonCode.HOST_OFFLINE


@pytest.mark.parametrize("make", [running, showing_code, authenticating])
def test_silence_says_nothing_of_a_link_that_is_not_connected(make: Make) -> None:
    driver = make()

    silence(driver)

    assert isinstance(driver.answer, Dropped)


def test_a_retrying_link_does_not_flap() -> None:
    driver = connected()
    driver.report(LinkReport.INITIALIZING)
    driver.forget_so_far()

    for report in (LinkReport.DISCONNECTED, LinkReport.INITIALIZING, LinkReport.FAILED, LinkReport.QR_READY):
        driver.report(report)

    assert driver.told() == []


def test_a_link_that_stays_down_gets_one_restart_and_is_then_left_alone() -> None:
    driver = connected()

    driver.report(LinkReport.DISCONNECTED)
    driver.wait(299)
    assert driver.session.process is ProcessState.RUNNING
    driver.wait(1)
    assert (driver.session.process, driver.reason) == (ProcessState.STOPPING, ReasonCode.NETWORK)
    driver.end()
    driver.boot()
    driver.wait(90)
    assert (driver.session.status, driver.reason) == (Status.DISCONNECTED, ReasonCode.NETWORK)
    driver.wait(1_000_000)

    assert driver.session.process is ProcessState.RUNNING
    assert driver.session.restarts.count == 1
    assert "session.failed" not in driver.told()


def test_a_link_that_came_back_gets_its_restart_again() -> None:
    driver = connected()
    driver.report(LinkReport.DISCONNECTED)
    driver.wait(300)
    driver.end()
    driver.boot()

    driver.report(LinkReport.CONNECTED)
    driver.report(LinkReport.DISCONNECTED)
    driver.wait(300)

    assert driver.session.process is ProcessState.STOPPING


def test_a_paired_session_that_does_not_come_up_is_disconnected_not_failed() -> None:
    driver = connected_again()

    driver.wait(90)

    assert (driver.session.status, driver.reason) == (Status.DISCONNECTED, ReasonCode.NETWORK)
    assert driver.told() == ["session.status"]


def test_a_paired_session_stuck_in_authenticating_is_disconnected_not_failed() -> None:
    driver = connected_again()

    driver.report(LinkReport.AUTHENTICATING)
    driver.wait(120)

    assert (driver.session.status, driver.reason) == (Status.DISCONNECTED, ReasonCode.NETWORK)


def test_a_paired_session_that_shows_codes_holds_no_account_any_more() -> None:
    driver = connected_again()
    driver.show_code("new")

    driver.report(LinkReport.INITIALIZING)
    driver.wait(120)

    assert (driver.session.process, driver.reason) == (ProcessState.STOPPING, ReasonCode.LINK_TIMEOUT)


def test_codes_in_place_of_a_connection_take_the_link_down_and_are_checked() -> None:
    driver = connected()

    driver.report(LinkReport.QR_READY)

    assert (driver.session.status, driver.reason) == (Status.DISCONNECTED, ReasonCode.LOGGED_OUT)
    assert len(driver.done(Observe)) == 1


def test_codes_in_place_of_a_connection_are_shown() -> None:
    driver = connected()

    driver.report(LinkReport.QR_READY)
    driver.show_code("new")

    assert driver.session.status is Status.QR_READY


def test_a_host_that_is_offline_excuses_every_link() -> None:
    driver = connected()
    driver.is_offline = True

    driver.report(LinkReport.DISCONNECTED)
    driver.wait(1_000_000)

    assert (driver.session.status, driver.reason) == (Status.DISCONNECTED, ReasonCode.HOST_OFFLINE)


def test_a_link_still_down_after_the_host_came_back_gets_its_restart() -> None:
    driver = connected()
    driver.is_offline = True
    driver.report(LinkReport.DISCONNECTED)
    driver.wait(10_000)

    driver.is_offline = False
    driver.wait(0)
    driver.wait(299)
    assert driver.done(End) == []
    driver.wait(1)

    assert len(driver.done(End)) == 1


def test_an_unpaired_engine_that_gives_up_offline_is_not_to_blame() -> None:
    driver = running()
    driver.is_offline = True

    driver.report(LinkReport.FAILED, "net::ERR_NAME_NOT_RESOLVED")
    driver.report(LinkReport.FAILED, "net::ERR_NAME_NOT_RESOLVED")

    assert isinstance(driver.answer, Dropped)
    assert (driver.session.process, driver.reason) == (ProcessState.RUNNING, ReasonCode.HOST_OFFLINE)


def test_an_unpaired_engine_that_gave_up_offline_is_judged_once_online() -> None:
    driver = running()
    driver.is_offline = True
    driver.report(LinkReport.FAILED)

    driver.is_offline = False
    driver.report(LinkReport.FAILED)

    assert (driver.session.process, driver.reason) == (ProcessState.STOPPING, ReasonCode.LINK_TIMEOUT)


@pytest.mark.parametrize(
    ("report", "status", "event"),
    [
        (LinkReport.BANNED, Status.BANNED, "session.banned"),
        (LinkReport.LOGGED_OUT, Status.LOGGED_OUT, "session.logged_out"),
    ],
)
def test_the_end_of_an_account_ends_the_engine_for_good(report: LinkReport, status: Status, event: str) -> None:
    driver = connected()

    driver.report(report, "said WhatsApp")
    assert len(driver.done(End)) == 1
    assert driver.the(event).data == {
        "phone_number": PHONE,
        "reason": status.value,
        "reason_detail": "said WhatsApp",
    }
    assert driver.told() == ["session.status", event]
    driver.end()
    driver.wait(1_000_000)

    assert driver.told() == ["session.status", "session.stopped"]
    assert (driver.session.status, driver.session.desired) == (status, Desired.STOPPED)


def test_a_logged_out_session_forgets_its_account_and_must_show_a_code_again() -> None:
    driver = connected()
    driver.report(LinkReport.LOGGED_OUT)
    driver.end()

    driver.start()
    driver.wait(90)

    assert (driver.session.phone_number, driver.session.last_connected_at) == (None, None)
    assert (driver.session.process, driver.reason) == (ProcessState.STOPPING, ReasonCode.QR_NOT_PRODUCED)


def test_a_taken_over_link_gets_one_restart_after_five_minutes_and_no_more() -> None:
    driver = connected()

    driver.report(LinkReport.REPLACED, "(440)")
    assert (driver.session.status, driver.reason) == (Status.DISCONNECTED, ReasonCode.REPLACED)
    driver.wait(299)
    assert driver.done(End) == []
    driver.wait(1)
    assert len(driver.done(End)) == 1
    driver.end()
    driver.boot()
    driver.report(LinkReport.CONNECTED)
    driver.wait(30)
    driver.report(LinkReport.REPLACED, "(440)")
    driver.wait(1_000_000)

    assert (driver.session.status, driver.reason) == (Status.DISCONNECTED, ReasonCode.REPLACED)
    assert driver.session.restarts.count == 1


def test_ten_minutes_of_connection_forgive_a_takeover() -> None:
    driver = connected()
    driver.report(LinkReport.REPLACED)
    driver.wait(300)
    driver.end()
    driver.boot()

    driver.report(LinkReport.CONNECTED)
    driver.wait(600)
    driver.report(LinkReport.REPLACED)
    driver.wait(300)

    assert driver.session.process is ProcessState.STOPPING


def test_steadiness_without_a_connection_forgives_no_takeover() -> None:
    driver = connected_again()
    driver.report(LinkReport.REPLACED)
    driver.wait(300)
    driver.end()
    driver.boot()

    driver.report(LinkReport.REPLACED)
    driver.wait(600)

    assert (driver.session.restarts.streak, driver.session.restarts.link_restarted) == (0, True)


def test_a_link_that_needs_a_person_waits_for_one() -> None:
    driver = connected()

    driver.report(LinkReport.ACTION_REQUIRED, "confirm on the phone")
    driver.wait(1_000_000)

    assert (driver.session.status, driver.reason) == (Status.DISCONNECTED, ReasonCode.ACTION_REQUIRED)


def test_a_link_that_is_down_for_another_reason_now_is_told() -> None:
    driver = connected()
    driver.report(LinkReport.DISCONNECTED)
    driver.forget_so_far()

    driver.report(LinkReport.ACTION_REQUIRED)

    data = driver.the("session.status").data
    assert (data["status"], data["previous"], data["reason"]) == ("disconnected", "disconnected", "action_required")


def test_a_code_after_the_link_was_down_opens_a_new_window() -> None:
    driver = showing_code()
    driver.report(LinkReport.ACTION_REQUIRED)
    driver.wait(10_000)

    driver.show_code("b")

    assert driver.session.status is Status.QR_READY
    assert driver.session.pairing_started_at == driver.at


def restrict(driver: Driver, kind: str, *, is_active: bool = True, expires_at: str | None = None) -> None:
    restriction = Restriction(kind=kind, expires_at=expires_at)
    driver.send(Restricted(launch_id=driver.launch_id, is_active=is_active, restriction=restriction))


def test_a_restriction_is_told_once_and_another_one_anew() -> None:
    driver = connected()
    driver.forget_so_far()

    for kind in ("reachout_timelock", "reachout_timelock", "tos_block"):
        restrict(driver, kind)

    assert [event.data["reason_detail"] for event in driver.events] == ["reachout_timelock", "tos_block"]
    assert driver.reason is ReasonCode.RESTRICTED


@pytest.mark.parametrize("is_known", [True, False])
def test_that_a_restriction_was_lifted_is_said_to_those_who_hold_messages(is_known: bool) -> None:
    driver = connected()
    if is_known:
        restrict(driver, "tos_block")
    driver.forget_so_far()

    restrict(driver, "tos_block", is_active=False)

    assert driver.the("session.restricted").data["is_active"] is False
    assert driver.reason is None


def test_a_restriction_is_told_although_the_link_is_down() -> None:
    driver = connected()
    driver.report(LinkReport.DISCONNECTED)
    driver.forget_so_far()

    restrict(driver, "tos_block", expires_at="2027-01-01T00:00:00Z")

    assert driver.the("session.restricted").data["expires_at"] == "2027-01-01T00:00:00Z"
    assert driver.reason is ReasonCode.NETWORK
