"""What becomes of an account's link: drops, takeovers, bans, logouts, and a host that is offline."""

import pytest

from openwa_manager.domain.session.commands import End, Observe
from openwa_manager.domain.session.context import Dropped
from openwa_manager.domain.session.reasons import Reason, ReasonCode, Silence
from openwa_manager.domain.session.session import Desired, ProcessState, Status
from openwa_manager.domain.session.stimuli import (
    LinkReport,
    LinkReported,
    SilenceNoticed,
)
from tests.domain.session.stage import (
    PHONE,
    Make,
    Stage,
    authenticating,
    connected,
    connected_again,
    running,
    showing_code,
)


def test_a_connection_names_the_account() -> None:
    stage = authenticating()

    stage.report(LinkReport.CONNECTED)

    session = stage.session
    assert stage.the("session.connected").data == {"phone_number": PHONE, "push_name": None}
    assert (session.connected_at, session.last_connected_at, session.last_seen_at) == (stage.at,) * 3
    assert (session.pairing_started_at, session.qr_attempts) == (None, 0)


def test_details_that_come_later_are_kept_without_an_event() -> None:
    stage = connected()

    stage.play(LinkReported(launch_id=stage.launch_id, link=LinkReport.CONNECTED, push_name="Ada"))

    assert (stage.session.phone_number, stage.session.push_name) == (PHONE, "Ada")
    assert stage.told() == []


def test_connected_again_is_no_news() -> None:
    stage = connected()

    stage.report(LinkReport.CONNECTED)

    assert isinstance(stage.answer, Dropped)


@pytest.mark.parametrize("report", [LinkReport.INITIALIZING, LinkReport.DISCONNECTED, LinkReport.FAILED])
def test_a_drop_is_told_at_once(report: LinkReport) -> None:
    stage = connected()

    stage.report(report)

    assert stage.told() == ["session.status", "session.disconnected"]
    assert (stage.session.status, stage.reason) == (Status.DISCONNECTED, ReasonCode.NETWORK)
    assert stage.session.connected_at is None


def silence(stage: Stage) -> None:
    stage.play(SilenceNoticed(launch_id=stage.launch_id, limit_s=60.0))


def test_silence_takes_a_connection_down_and_says_for_how_long_it_lasted() -> None:
    stage = connected()

    silence(stage)

    assert stage.told() == ["session.status", "session.disconnected"]
    assert stage.session.reason == Reason(code=ReasonCode.NETWORK, facts=Silence(limit_s=60.0), at=stage.at)


def test_silence_is_the_hosts_fault_while_it_is_offline() -> None:
    stage = connected()
    stage.is_offline = True

    silence(stage)

    assert stage.reason is ReasonCode.HOST_OFFLINE


@pytest.mark.parametrize("make", [running, showing_code, authenticating])
def test_silence_says_nothing_of_a_link_that_is_not_connected(make: Make) -> None:
    stage = make()

    silence(stage)

    assert isinstance(stage.answer, Dropped)


def test_a_retrying_link_does_not_flap() -> None:
    stage = connected()
    stage.report(LinkReport.INITIALIZING)
    stage.forget_so_far()

    for report in (LinkReport.DISCONNECTED, LinkReport.INITIALIZING, LinkReport.FAILED, LinkReport.QR_READY):
        stage.report(report)

    assert stage.told() == []


def test_a_link_that_stays_down_gets_one_restart_and_is_then_left_alone() -> None:
    stage = connected()

    stage.report(LinkReport.DISCONNECTED)
    stage.wait(299)
    assert stage.session.process is ProcessState.RUNNING
    stage.wait(1)
    assert (stage.session.process, stage.reason) == (ProcessState.STOPPING, ReasonCode.NETWORK)
    stage.end()
    stage.boot()
    stage.wait(90)
    assert (stage.session.status, stage.reason) == (Status.DISCONNECTED, ReasonCode.NETWORK)
    stage.wait(1_000_000)

    assert stage.session.process is ProcessState.RUNNING
    assert stage.session.restarts.count == 1
    assert "session.failed" not in stage.told()


def test_a_link_that_came_back_gets_its_restart_again() -> None:
    stage = connected()
    stage.report(LinkReport.DISCONNECTED)
    stage.wait(300)
    stage.end()
    stage.boot()

    stage.report(LinkReport.CONNECTED)
    stage.report(LinkReport.DISCONNECTED)
    stage.wait(300)

    assert stage.session.process is ProcessState.STOPPING


def test_a_paired_session_that_does_not_come_up_is_disconnected_not_failed() -> None:
    stage = connected_again()

    stage.wait(90)

    assert (stage.session.status, stage.reason) == (Status.DISCONNECTED, ReasonCode.NETWORK)
    assert stage.told() == ["session.status"]


def test_a_paired_session_stuck_in_authenticating_is_disconnected_not_failed() -> None:
    stage = connected_again()

    stage.report(LinkReport.AUTHENTICATING)
    stage.wait(120)

    assert (stage.session.status, stage.reason) == (Status.DISCONNECTED, ReasonCode.NETWORK)


def test_a_paired_session_that_shows_codes_holds_no_account_any_more() -> None:
    stage = connected_again()
    stage.show_code("new")

    stage.report(LinkReport.INITIALIZING)
    stage.wait(120)

    assert (stage.session.process, stage.reason) == (ProcessState.STOPPING, ReasonCode.LINK_TIMEOUT)


def test_codes_in_place_of_a_connection_take_the_link_down_and_are_checked() -> None:
    stage = connected()

    stage.report(LinkReport.QR_READY)

    assert (stage.session.status, stage.reason) == (Status.DISCONNECTED, ReasonCode.LOGGED_OUT)
    assert len(stage.done(Observe)) == 1


def test_codes_in_place_of_a_connection_are_shown() -> None:
    stage = connected()

    stage.report(LinkReport.QR_READY)
    stage.show_code("new")

    assert stage.session.status is Status.QR_READY


def test_a_host_that_is_offline_excuses_every_link() -> None:
    stage = connected()
    stage.is_offline = True

    stage.report(LinkReport.DISCONNECTED)
    stage.wait(1_000_000)

    assert (stage.session.status, stage.reason) == (Status.DISCONNECTED, ReasonCode.HOST_OFFLINE)


def test_a_link_still_down_after_the_host_came_back_gets_its_restart() -> None:
    stage = connected()
    stage.is_offline = True
    stage.report(LinkReport.DISCONNECTED)
    stage.wait(10_000)

    stage.is_offline = False
    stage.wait(0)
    stage.wait(299)
    assert stage.done(End) == []
    stage.wait(1)

    assert len(stage.done(End)) == 1


def test_an_unpaired_engine_that_gives_up_offline_is_not_to_blame() -> None:
    stage = running()
    stage.is_offline = True

    stage.report(LinkReport.FAILED, "net::ERR_NAME_NOT_RESOLVED")
    stage.report(LinkReport.FAILED, "net::ERR_NAME_NOT_RESOLVED")

    assert isinstance(stage.answer, Dropped)
    assert (stage.session.process, stage.reason) == (ProcessState.RUNNING, ReasonCode.HOST_OFFLINE)


def test_an_unpaired_engine_that_gave_up_offline_is_judged_once_online() -> None:
    stage = running()
    stage.is_offline = True
    stage.report(LinkReport.FAILED)

    stage.is_offline = False
    stage.report(LinkReport.FAILED)

    assert (stage.session.process, stage.reason) == (ProcessState.STOPPING, ReasonCode.LINK_TIMEOUT)


@pytest.mark.parametrize(
    ("report", "status", "event"),
    [
        (LinkReport.BANNED, Status.BANNED, "session.banned"),
        (LinkReport.LOGGED_OUT, Status.LOGGED_OUT, "session.logged_out"),
    ],
)
def test_the_end_of_an_account_ends_the_engine_for_good(report: LinkReport, status: Status, event: str) -> None:
    stage = connected()

    stage.report(report, "said WhatsApp")
    assert len(stage.done(End)) == 1
    assert stage.the(event).data == {
        "phone_number": PHONE,
        "reason": status.value,
        "reason_detail": "said WhatsApp",
    }
    assert stage.told() == ["session.status", event]
    stage.end()
    stage.wait(1_000_000)

    assert stage.told() == ["session.status", "session.stopped"]
    assert (stage.session.status, stage.session.desired) == (status, Desired.STOPPED)


def test_a_logged_out_session_forgets_its_account_and_must_show_a_code_again() -> None:
    stage = connected()
    stage.report(LinkReport.LOGGED_OUT)
    stage.end()

    stage.start()
    stage.wait(90)

    assert (stage.session.phone_number, stage.session.last_connected_at) == (None, None)
    assert (stage.session.process, stage.reason) == (ProcessState.STOPPING, ReasonCode.QR_NOT_PRODUCED)


def test_a_taken_over_link_gets_one_restart_after_five_minutes_and_no_more() -> None:
    stage = connected()

    stage.report(LinkReport.REPLACED, "(440)")
    assert (stage.session.status, stage.reason) == (Status.DISCONNECTED, ReasonCode.REPLACED)
    stage.wait(299)
    assert stage.done(End) == []
    stage.wait(1)
    assert len(stage.done(End)) == 1
    stage.end()
    stage.boot()
    stage.report(LinkReport.CONNECTED)
    stage.wait(30)
    stage.report(LinkReport.REPLACED, "(440)")
    stage.wait(1_000_000)

    assert (stage.session.status, stage.reason) == (Status.DISCONNECTED, ReasonCode.REPLACED)
    assert stage.session.restarts.count == 1


def test_ten_minutes_of_connection_forgive_a_takeover() -> None:
    stage = connected()
    stage.report(LinkReport.REPLACED)
    stage.wait(300)
    stage.end()
    stage.boot()

    stage.report(LinkReport.CONNECTED)
    stage.wait(600)
    stage.report(LinkReport.REPLACED)
    stage.wait(300)

    assert stage.session.process is ProcessState.STOPPING


def test_steadiness_without_a_connection_forgives_no_takeover() -> None:
    stage = connected_again()
    stage.report(LinkReport.REPLACED)
    stage.wait(300)
    stage.end()
    stage.boot()

    stage.report(LinkReport.REPLACED)
    stage.wait(600)

    assert (stage.session.restarts.streak, stage.session.restarts.link_restarted) == (0, True)


def test_a_link_that_needs_a_person_waits_for_one() -> None:
    stage = connected()

    stage.report(LinkReport.ACTION_REQUIRED, "confirm on the phone")
    stage.wait(1_000_000)

    assert (stage.session.status, stage.reason) == (Status.DISCONNECTED, ReasonCode.ACTION_REQUIRED)


def test_a_link_that_is_down_for_another_reason_now_is_told() -> None:
    stage = connected()
    stage.report(LinkReport.DISCONNECTED)
    stage.forget_so_far()

    stage.report(LinkReport.ACTION_REQUIRED)

    data = stage.the("session.status").data
    assert (data["status"], data["previous"], data["reason"]) == ("disconnected", "disconnected", "action_required")


def test_a_code_after_the_link_was_down_opens_a_new_window() -> None:
    stage = showing_code()
    stage.report(LinkReport.ACTION_REQUIRED)
    stage.wait(10_000)

    stage.show_code("b")

    assert stage.session.status is Status.QR_READY
    assert stage.session.pairing_started_at == stage.at
