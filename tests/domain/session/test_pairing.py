"""From the first code to the first connection: codes, scans, and the patience with each."""

from collections.abc import Callable

import pytest

from openwa_manager.domain.session.commands import RemoveQr
from openwa_manager.domain.session.context import Dropped
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Desired, ProcessState, Status
from openwa_manager.domain.session.stimuli import (
    LinkReport,
    QrProduced,
)
from tests.domain.session.stage import (
    Stage,
    authenticating,
    booting,
    connected,
    running,
    showing_code,
)

CODE_LIVES_S = 60.0


def produced(stage: Stage, sha256: str, produced_at: float, expires_at: float | None = None) -> QrProduced:
    launch_id = stage.launch_id
    return QrProduced(launch_id=launch_id, image=b"png", sha256=sha256, produced_at=produced_at, expires_at=expires_at)


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
    shown = stage.session.qr
    assert shown is not None

    stage.wait(CODE_LIVES_S)

    assert stage.session.qr is None
    assert stage.done(RemoveQr) == [RemoveQr(sha256=shown.sha256)]  # the file may hold the next one already
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
