"""From the first code to the first connection: codes, scans, and the patience with each."""

from collections.abc import Callable

import pytest

from openwa_manager.domain.session.commands import RemoveQr
from openwa_manager.domain.session.context import Dropped
from openwa_manager.domain.session.reasons import ReasonCode, Words
from openwa_manager.domain.session.session import Desired, ProcessState, Qr, Status
from openwa_manager.domain.session.stimuli import (
    LaunchFailed,
    LinkReport,
    QrProduced,
)
from tests.domain.session.driver import (
    Driver,
    authenticating,
    booting,
    connected,
    running,
    showing_code,
    spawning,
)

CODE_LIVES_S = 60.0


def produced(driver: Driver, sha256: str, produced_at: float, expires_at: float | None = None) -> QrProduced:
    launch_id = driver.launch_id
    return QrProduced(launch_id=launch_id, image=b"png", sha256=sha256, produced_at=produced_at, expires_at=expires_at)


def test_a_code_is_shown_and_told_without_its_image() -> None:
    driver = running()

    driver.show_code("a")

    assert driver.session.status is Status.QR_READY
    event = driver.the("session.qr")
    assert event.data == {"sha256": "a", "mimetype": "image/png", "qr_seq": 1, "attempt": 1}
    assert event.expires_at == driver.at + CODE_LIVES_S


def test_the_first_code_lives_longer_than_the_next() -> None:
    driver = showing_code()

    driver.wait(60)
    driver.show_code("b")

    assert driver.session.qr is not None
    assert driver.session.qr.expires_at == driver.at + 20


def test_the_engine_may_say_when_a_code_expires() -> None:
    driver = running()

    driver.send(produced(driver, "a", driver.at, expires_at=driver.at + 7))

    assert driver.session.qr is not None
    assert driver.session.qr.expires_at == driver.at + 7


def test_an_expired_code_is_shown_no_more_and_its_file_removed() -> None:
    driver = showing_code()
    shown = driver.session.qr
    assert shown is not None

    driver.wait(CODE_LIVES_S)

    assert driver.session.qr is None
    assert driver.done(RemoveQr) == [RemoveQr(sha256=shown.sha256)]  # the file may hold the next one already
    assert driver.session.status is Status.QR_READY  # the next one is awaited


def test_a_code_expires_also_while_its_engine_still_boots() -> None:
    driver = booting()

    driver.send(produced(driver, "a", driver.at, expires_at=driver.at + 5))
    assert driver.session.status is Status.QR_READY
    driver.wait(5)

    assert driver.session.qr is None


def test_a_code_is_shown_although_the_wall_clock_was_set_back_since_the_launch() -> None:
    driver = running()
    driver.at -= 90

    driver.send(produced(driver, "a", driver.at))

    assert driver.session.qr is not None
    assert driver.session.qr.expires_at == driver.at + CODE_LIVES_S


def test_a_code_lives_no_longer_when_the_wall_clock_is_set_back() -> None:
    driver = showing_code()
    driver.at -= 90

    driver.sleep_daemon(0)
    driver.resume(is_alive=True)
    driver.wait(CODE_LIVES_S)

    assert driver.session.qr is None


@pytest.mark.parametrize("set_by_s", [-3600, 3600])
def test_a_code_that_expired_while_no_daemon_ran_is_not_shown_again_whatever_the_wall_clock_says(
    set_by_s: float,
) -> None:
    driver = showing_code()

    driver.sleep_daemon(CODE_LIVES_S)
    driver.at += set_by_s
    driver.resume(is_alive=True)

    assert driver.session.qr is None


@pytest.mark.parametrize("set_by_s", [-3600, 3600])
def test_a_code_is_valid_for_as_long_as_it_was_whatever_the_wall_clock_says(set_by_s: float) -> None:
    driver = showing_code()
    qr = driver.session.qr
    assert qr is not None

    driver.wait(10)
    driver.at += set_by_s

    assert qr.left_s(driver.at, driver.boot_s) == CODE_LIVES_S - 10


def test_a_code_recorded_by_an_older_version_lives_no_longer_than_it_was_given() -> None:
    qr = Qr(seq=1, attempt=1, sha256="a", produced_at=1000.0, expires_at=1060.0)

    assert qr.left_s(at=1010.0, boot_s=5.0) == 50
    assert qr.left_s(at=100.0, boot_s=5.0) == 60


@pytest.mark.parametrize("expires_in_s", [0.0, -1.0])
def test_a_code_that_has_expired_is_dropped(expires_in_s: float) -> None:
    driver = running()

    driver.send(produced(driver, "a", driver.at, expires_at=driver.at + expires_in_s))

    assert isinstance(driver.answer, Dropped)


def test_a_code_that_expired_at_the_beginning_of_time_is_dropped() -> None:
    driver = running()

    driver.send(produced(driver, "a", driver.at, expires_at=0.0))

    assert isinstance(driver.answer, Dropped)


def test_the_same_image_again_is_dropped() -> None:
    driver = showing_code()

    driver.show_code("a")

    assert isinstance(driver.answer, Dropped)


@pytest.mark.parametrize("make", [connected, authenticating])
def test_a_code_that_nobody_awaits_is_dropped(make: Callable[[], Driver]) -> None:
    driver = make()

    driver.show_code("late")

    assert isinstance(driver.answer, Dropped)
    assert driver.session.qr is None


def test_nobody_scanning_ends_the_engine_and_the_wish_for_it() -> None:
    driver = showing_code()

    for code in "bcdefg":
        driver.wait(20)
        driver.show_code(code)
    driver.wait(60)
    driver.end()

    assert (driver.session.status, driver.reason) == (Status.STOPPED, ReasonCode.QR_EXPIRED)
    assert driver.session.desired is Desired.STOPPED
    assert driver.session.reason is not None
    assert driver.session.reason.detail == "nobody scanned in 180 s"


def test_a_start_opens_a_new_pairing_window() -> None:
    driver = showing_code()
    driver.wait(180)
    driver.end()

    driver.start()
    driver.show_code("z")
    driver.wait(179)

    assert driver.session.process is ProcessState.RUNNING
    assert driver.session.qr_seq == 2


def test_a_scan_makes_the_code_disappear_at_once() -> None:
    driver = showing_code()

    driver.wait(10)
    driver.report(LinkReport.INITIALIZING)

    assert (driver.session.status, driver.session.qr) == (Status.AUTHENTICATING, None)
    assert driver.done(RemoveQr) == [RemoveQr()]


@pytest.mark.parametrize("waited_s", [54.5, 60.0, 61.0])
def test_codes_that_ran_out_are_not_taken_for_a_scan(waited_s: float) -> None:
    driver = showing_code()

    driver.wait(waited_s)
    driver.report(LinkReport.INITIALIZING)

    assert (driver.session.status, driver.session.qr) == (Status.CREATING, None)


def test_a_new_series_of_codes_goes_on_in_the_same_window() -> None:
    driver = showing_code()
    driver.wait(60)
    driver.report(LinkReport.INITIALIZING)

    driver.wait(2)
    driver.show_code("b")
    assert driver.session.qr is not None
    assert driver.session.qr.expires_at == driver.at + 60  # it is the first of its series
    driver.wait(118)

    assert (driver.session.process, driver.reason) == (ProcessState.STOPPING, ReasonCode.QR_EXPIRED)


def test_codes_shown_again_tell_that_nobody_scanned_after_all() -> None:
    driver = authenticating()

    driver.report(LinkReport.QR_READY)
    driver.show_code("b")

    assert driver.session.status is Status.QR_READY
    assert driver.session.qr is not None
    assert driver.session.qr.attempt == 2


def test_the_word_that_a_code_is_ready_shows_none() -> None:
    driver = running()

    driver.report(LinkReport.QR_READY)

    assert isinstance(driver.answer, Dropped)


def test_an_engine_may_say_itself_that_it_authenticates() -> None:
    driver = running()

    driver.report(LinkReport.AUTHENTICATING)

    assert driver.session.status is Status.AUTHENTICATING


def test_an_engine_without_a_code_is_restarted_once_then_given_up() -> None:
    driver = running()

    driver.wait(90)
    assert (driver.session.process, driver.reason) == (ProcessState.STOPPING, ReasonCode.QR_NOT_PRODUCED)
    driver.end()
    driver.boot()
    driver.wait(90)
    driver.end()

    assert (driver.session.process, driver.reason) == (ProcessState.FAILED, ReasonCode.QR_NOT_PRODUCED)
    assert driver.told().count("session.failed") == 1
    assert driver.session.restarts.count == 1


def test_the_slow_retry_of_a_stuck_engine_is_one_try_and_no_new_failure() -> None:
    driver = running()
    for _ in range(2):
        driver.wait(90)
        driver.end()
        if driver.session.process is ProcessState.STARTING:
            driver.boot()
    driver.forget_so_far()

    driver.wait(1800)
    driver.boot()
    driver.wait(90)
    driver.end()

    assert driver.session.process is ProcessState.FAILED
    assert "session.failed" not in driver.told()


def test_a_scan_that_does_not_connect_is_restarted_once_then_given_up() -> None:
    driver = authenticating()

    driver.wait(120)
    assert (driver.session.process, driver.reason) == (ProcessState.STOPPING, ReasonCode.LINK_TIMEOUT)
    driver.end()
    driver.boot()
    driver.show_code("b")
    driver.report(LinkReport.INITIALIZING)
    driver.wait(120)
    driver.end()

    assert (driver.session.process, driver.reason) == (ProcessState.FAILED, ReasonCode.LINK_TIMEOUT)


def test_an_unpaired_engine_that_gives_up_is_restarted_once_then_given_up() -> None:
    driver = running()

    driver.report(LinkReport.FAILED, "net::ERR_NAME_NOT_RESOLVED")
    driver.end()
    driver.boot()
    driver.report(LinkReport.FAILED, "net::ERR_NAME_NOT_RESOLVED")
    driver.end()

    assert driver.session.process is ProcessState.FAILED
    assert driver.session.reason is not None
    assert driver.session.reason.detail == "net::ERR_NAME_NOT_RESOLVED"


@pytest.mark.parametrize(
    ("code", "removed"), [(ReasonCode.LAUNCH_FAILED, [RemoveQr()]), (ReasonCode.OWNED_ELSEWHERE, [])]
)
def test_the_code_of_somebody_elses_engine_stays(code: ReasonCode, removed: list[RemoveQr]) -> None:
    driver = spawning()

    driver.send(LaunchFailed(launch_id=driver.launch_id, code=code, facts=Words(text="so it is")))

    assert driver.session.process is ProcessState.FAILED
    assert driver.done(RemoveQr) == removed
