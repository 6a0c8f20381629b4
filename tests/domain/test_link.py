"""What becomes of a link: codes, scans, drops, bans, takeovers, restrictions, and the patience with each."""

from collections.abc import Callable

import pytest

from openwa_manager.domain.commands import End, Observe, RemoveQr
from openwa_manager.domain.lifecycle import Decided, Dropped
from openwa_manager.domain.session import Desired, LinkState, ProcessState, ReasonCode, Status
from openwa_manager.domain.stimuli import (
    EngineEventReceived,
    LifeSeen,
    LinkReport,
    LinkReported,
    MessageAcknowledged,
    QrProduced,
    Restricted,
    TruthWanted,
)
from tests.domain.stage import (
    PHONE,
    Stage,
    authenticating,
    booting,
    connected,
    connected_again,
    running,
    showing_code,
    spawning,
)

CODE_LIVES_S = 60.0


def produced(stage: Stage, sha256: str, produced_at: float, expires_at: float | None = None) -> QrProduced:
    launch_id = stage.launch_id
    return QrProduced(launch_id=launch_id, image=b"png", sha256=sha256, produced_at=produced_at, expires_at=expires_at)


# Codes


def test_a_code_is_shown_and_told_without_its_image() -> None:
    stage = running()

    stage.show_code("a")

    assert stage.session.status is Status.QR_READY
    event = stage.the("session.qr")
    assert event.data == {"sha256": "a", "mimetype": "image/png", "qr_seq": 1, "attempt": 1}
    assert event.expires_at == stage.at + CODE_LIVES_S


def test_the_first_code_lives_longer_than_the_next() -> None:
    stage = showing_code()

    stage.wait(60)
    stage.show_code("b")

    assert stage.session.qr is not None
    assert stage.session.qr.expires_at == stage.at + 20


def test_the_engine_may_say_when_a_code_expires() -> None:
    stage = running()

    stage.play(produced(stage, "a", stage.at, expires_at=stage.at + 7))

    assert stage.session.qr is not None
    assert stage.session.qr.expires_at == stage.at + 7


def test_an_expired_code_is_shown_no_more_and_its_file_removed() -> None:
    stage = showing_code()

    stage.wait(CODE_LIVES_S)

    assert stage.session.qr is None
    assert stage.done(RemoveQr) == [RemoveQr()]
    assert stage.session.status is Status.QR_READY  # the next one is awaited


def test_a_code_expires_also_while_its_engine_still_boots() -> None:
    stage = booting()

    stage.play(produced(stage, "a", stage.at, expires_at=stage.at + 5))
    assert stage.session.status is Status.QR_READY
    stage.wait(5)

    assert stage.session.qr is None


def test_a_code_older_than_its_launch_is_dropped() -> None:
    stage = running()

    stage.play(produced(stage, "a", stage.at - 0.001))

    assert isinstance(stage.answer, Dropped)


@pytest.mark.parametrize("expires_in_s", [0.0, -1.0])
def test_a_code_that_has_expired_is_dropped(expires_in_s: float) -> None:
    stage = running()

    stage.play(produced(stage, "a", stage.at, expires_at=stage.at + expires_in_s))

    assert isinstance(stage.answer, Dropped)


def test_a_code_that_expired_at_the_beginning_of_time_is_dropped() -> None:
    stage = running()

    stage.play(produced(stage, "a", stage.at, expires_at=0.0))

    assert isinstance(stage.answer, Dropped)


def test_the_same_image_again_is_dropped() -> None:
    stage = showing_code()

    stage.show_code("a")

    assert isinstance(stage.answer, Dropped)


@pytest.mark.parametrize("make", [connected, authenticating])
def test_a_code_that_nobody_awaits_is_dropped(make: Callable[[], Stage]) -> None:
    stage = make()

    stage.show_code("late")

    assert isinstance(stage.answer, Dropped)
    assert stage.session.qr is None


def test_nobody_scanning_ends_the_engine_and_the_wish_for_it() -> None:
    stage = showing_code()

    for code in "bcdefg":
        stage.wait(20)
        stage.show_code(code)
    stage.wait(60)
    stage.end()

    assert (stage.session.status, stage.reason) == (Status.STOPPED, ReasonCode.QR_EXPIRED)
    assert stage.session.desired is Desired.STOPPED
    assert stage.session.reason is not None
    assert stage.session.reason.detail == "nobody scanned in 180 s"


def test_a_start_opens_a_new_pairing_window() -> None:
    stage = showing_code()
    stage.wait(180)
    stage.end()

    stage.start()
    stage.show_code("z")
    stage.wait(179)

    assert stage.session.process is ProcessState.RUNNING
    assert stage.session.qr_seq == 2


def test_a_scan_makes_the_code_disappear_at_once() -> None:
    stage = showing_code()

    stage.wait(10)
    stage.report(LinkReport.INITIALIZING)

    assert (stage.session.status, stage.session.qr) == (Status.AUTHENTICATING, None)
    assert stage.done(RemoveQr) == [RemoveQr()]


@pytest.mark.parametrize("waited_s", [54.5, 60.0, 61.0])
def test_codes_that_ran_out_are_not_taken_for_a_scan(waited_s: float) -> None:
    stage = showing_code()

    stage.wait(waited_s)
    stage.report(LinkReport.INITIALIZING)

    assert (stage.session.status, stage.session.qr) == (Status.CREATING, None)


def test_a_new_series_of_codes_goes_on_in_the_same_window() -> None:
    stage = showing_code()
    stage.wait(60)
    stage.report(LinkReport.INITIALIZING)

    stage.wait(2)
    stage.show_code("b")
    stage.wait(118)

    assert (stage.session.process, stage.reason) == (ProcessState.STOPPING, ReasonCode.QR_EXPIRED)


def test_codes_shown_again_tell_that_nobody_scanned_after_all() -> None:
    stage = authenticating()

    stage.report(LinkReport.QR_READY)
    stage.show_code("b")

    assert stage.session.status is Status.QR_READY
    assert stage.session.qr is not None
    assert stage.session.qr.attempt == 2


def test_the_word_that_a_code_is_ready_shows_none() -> None:
    stage = running()

    stage.report(LinkReport.QR_READY)

    assert isinstance(stage.answer, Dropped)


def test_an_engine_may_say_itself_that_it_authenticates() -> None:
    stage = running()

    stage.report(LinkReport.AUTHENTICATING)

    assert stage.session.status is Status.AUTHENTICATING


# An unpaired session that gets stuck


def test_an_engine_without_a_code_is_restarted_once_then_given_up() -> None:
    stage = running()

    stage.wait(90)
    assert (stage.session.process, stage.reason) == (ProcessState.STOPPING, ReasonCode.QR_NOT_PRODUCED)
    stage.end()
    stage.boot()
    stage.wait(90)
    stage.end()

    assert (stage.session.process, stage.reason) == (ProcessState.FAILED, ReasonCode.QR_NOT_PRODUCED)
    assert stage.told().count("session.failed") == 1
    assert stage.session.restarts.count == 1


def test_the_slow_retry_of_a_stuck_engine_is_one_try_and_no_new_failure() -> None:
    stage = running()
    for _ in range(2):
        stage.wait(90)
        stage.end()
        if stage.session.process is ProcessState.STARTING:
            stage.boot()
    stage.forget_so_far()

    stage.wait(1800)
    stage.boot()
    stage.wait(90)
    stage.end()

    assert stage.session.process is ProcessState.FAILED
    assert "session.failed" not in stage.told()


def test_a_scan_that_does_not_connect_is_restarted_once_then_given_up() -> None:
    stage = authenticating()

    stage.wait(120)
    assert (stage.session.process, stage.reason) == (ProcessState.STOPPING, ReasonCode.LINK_TIMEOUT)
    stage.end()
    stage.boot()
    stage.show_code("b")
    stage.report(LinkReport.INITIALIZING)
    stage.wait(120)
    stage.end()

    assert (stage.session.process, stage.reason) == (ProcessState.FAILED, ReasonCode.LINK_TIMEOUT)


def test_an_unpaired_engine_that_gives_up_is_restarted_once_then_given_up() -> None:
    stage = running()

    stage.report(LinkReport.FAILED, "net::ERR_NAME_NOT_RESOLVED")
    stage.end()
    stage.boot()
    stage.report(LinkReport.FAILED, "net::ERR_NAME_NOT_RESOLVED")
    stage.end()

    assert stage.session.process is ProcessState.FAILED
    assert stage.session.reason is not None
    assert stage.session.reason.detail == "net::ERR_NAME_NOT_RESOLVED"


# A paired session that loses its link


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


# A host that is offline or was asleep


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


# Links that only a person can bring back


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


# Restrictions, messages and other news


def restricted(stage: Stage, *, is_active: bool) -> Restricted:
    return Restricted(launch_id=stage.launch_id, is_active=is_active, kind="reachout_timelock", detail="BIZ")


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

    stage.play(TruthWanted(launch_id=stage.launch_id))

    assert [observe.launch for observe in stage.done(Observe)] == [stage.session.launch]
    assert isinstance(stage.answer, Decided)
    assert not stage.answer.is_durable


def test_a_sign_of_life_is_remembered_without_a_write() -> None:
    stage = connected()

    stage.wait(5)
    stage.play(LifeSeen(launch_id=stage.launch_id))

    assert stage.session.last_seen_at == stage.at
    assert isinstance(stage.answer, Decided)
    assert not stage.answer.is_durable


def test_a_code_is_taken_while_the_process_is_not_yet_known() -> None:
    stage = spawning()

    stage.show_code()

    assert stage.session.link is LinkState.QR_READY
