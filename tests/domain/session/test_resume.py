"""What a new daemon makes of each session an earlier one left behind."""

from dataclasses import replace

import pytest

from openwa_manager.domain.session.commands import AwaitProgram, BringUp, End, Enqueue, Forget, Spawn, Sweep, WatchExit
from openwa_manager.domain.session.context import Dropped
from openwa_manager.domain.session.launch_facts import ProgramMissing
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Desired, LinkState, ProcessState, Restarts, Status
from openwa_manager.domain.session.stimuli import DeleteRequested, LaunchFailed, LinkReport, ProgramFound, StopRequested
from tests.domain.session.driver import (
    Driver,
    Make,
    an_identity,
    backing_off,
    banned,
    booting,
    connected,
    connected_again,
    deleting,
    failed,
    queued,
    running,
    showing_code,
    spawning,
    stopping,
)


@pytest.mark.parametrize("make", [booting, running, showing_code, connected])
def test_a_live_engine_is_adopted_without_a_word(make: Make) -> None:
    driver = make()
    before = driver.session

    driver.resume(is_alive=True)

    assert [type(command) for command in driver.commands] == [WatchExit, BringUp]
    assert driver.told() == []
    assert (driver.session.status, driver.session.launch) == (before.status, before.launch)


def test_an_engine_found_by_its_launch_id_is_adopted() -> None:
    driver = spawning()

    driver.resume(is_alive=True, identity=an_identity(7))

    assert (driver.session.pid, driver.session.started_at) == (1007, driver.at)
    assert driver.done(Spawn) == []


def test_a_recorded_process_is_trusted_before_one_that_was_found() -> None:
    driver = booting()

    driver.resume(is_alive=True, identity=an_identity(7))

    assert driver.session.pid == 1001


def test_what_an_adopted_engine_says_first_is_an_ordinary_change() -> None:
    driver = connected()

    driver.resume(is_alive=True)
    driver.report(LinkReport.INITIALIZING)

    assert driver.told() == ["session.status", "session.disconnected"]


def test_a_scan_nobody_watched_is_not_cut_off_by_the_pairing_window() -> None:
    driver = showing_code()

    driver.sleep_daemon(3600)
    driver.resume(is_alive=True)
    driver.report(LinkReport.CONNECTED)
    driver.wait(3600)

    assert driver.session.status is Status.CONNECTED


def test_an_adopted_engine_that_shows_codes_for_nobody_is_ended_in_time() -> None:
    driver = showing_code()

    driver.sleep_daemon(3600)
    driver.resume(is_alive=True)
    driver.wait(180)

    assert driver.reason is ReasonCode.QR_EXPIRED


def test_an_engine_unlinked_while_nobody_watched_shows_its_code() -> None:
    driver = connected()

    driver.sleep_daemon(3600)
    driver.resume(is_alive=True)
    driver.report(LinkReport.QR_READY)
    driver.show_code("new")

    assert driver.session.status is Status.QR_READY
    assert "session.disconnected" in driver.told()


@pytest.mark.parametrize("make", [booting, running, connected])
def test_an_engine_that_died_while_its_supervisor_was_started_over_has_crashed(make: Make) -> None:
    driver = make()

    driver.resume(is_alive=False)

    assert (driver.session.status, driver.reason) == (Status.RESTARTING, ReasonCode.ENGINE_EXITED)
    assert "session.crashed" in driver.told()


def test_an_engine_found_dead_by_a_new_daemon_is_restarted_at_once_for_free() -> None:
    driver = connected()

    driver.resume(is_alive=False, at_daemon_start=True)
    driver.boot()

    assert driver.told() == ["session.status", "session.disconnected", "session.restarted"]
    book = driver.session.restarts
    assert (book.count, book.streak, book.last_reason) == (1, 0, ReasonCode.ENGINE_EXITED)
    assert driver.steps[0].evidence == {"found_dead": True, "exit_code": None, "signal": None}


def test_engines_that_die_with_their_daemon_again_and_again_do_not_loop() -> None:
    driver = connected()

    for _ in range(10):
        driver.resume(is_alive=False, at_daemon_start=True)
        driver.boot()

    assert (driver.session.process, driver.session.restarts.streak) == (ProcessState.RUNNING, 0)


def test_a_launch_that_never_became_a_process_is_launched_anew_after_a_sweep() -> None:
    driver = spawning()

    driver.resume(is_alive=False)
    driver.slot()

    assert [type(command) for command in driver.commands] == [Enqueue, Sweep, Spawn]
    assert driver.session.launch_count == 2


def test_a_queued_start_is_queued_again() -> None:
    driver = queued()

    driver.resume(is_alive=False)

    assert driver.commands == [Enqueue(cause=ReasonCode.REQUESTED)]


def test_a_live_process_of_no_launch_is_none_of_ours() -> None:
    driver = queued()

    driver.resume(is_alive=True, identity=an_identity(7))

    assert driver.commands == [Enqueue(cause=ReasonCode.REQUESTED)]


def test_a_queued_restart_keeps_its_cause() -> None:
    driver = backing_off()
    driver.wait(1.0)

    driver.resume(is_alive=False)
    driver.boot()

    assert driver.the("session.restarted").data["reason"] == "engine_exited"
    assert driver.session.restarts.count == 1


@pytest.mark.parametrize(("make", "wait_s"), [(backing_off, 1.0), (failed, 1800.0)])
def test_a_pause_goes_on_where_it_was(make: Make, wait_s: float) -> None:
    driver = make()

    driver.sleep_daemon(wait_s / 2)
    driver.resume(is_alive=False)
    assert driver.done(Enqueue) == []
    driver.wait(wait_s / 2)

    assert len(driver.done(Enqueue)) == 1


def test_a_wall_clock_set_back_does_not_prolong_a_pause() -> None:
    driver = failed()
    driver.sleep_daemon(0)
    driver.at -= 1e9

    driver.resume(is_alive=False)
    driver.wait(1800)

    assert len(driver.done(Enqueue)) == 1


def test_a_session_stopped_until_the_next_start_starts_as_if_asked_to() -> None:
    driver = connected_again()
    driver.send(StopRequested(until_start=True))
    driver.end()
    driver.forget_so_far()

    driver.resume(is_alive=False)
    assert driver.session.restarts == Restarts()
    driver.boot()

    assert driver.told() == ["session.status"]


@pytest.mark.parametrize("make", [Driver, banned])
def test_a_session_that_is_to_be_stopped_stays_so(make: Make) -> None:
    driver = make()
    before = driver.session

    driver.resume(is_alive=False)

    assert isinstance(driver.answer, Dropped)
    assert driver.session == before


@pytest.mark.parametrize("is_alive", [True, False])
def test_an_ending_is_taken_up_again(is_alive: bool) -> None:
    driver = stopping()

    driver.resume(is_alive=is_alive)
    assert [end.launch for end in driver.done(End)] == [driver.session.launch]
    driver.end()

    assert driver.session.status is Status.STOPPED


def test_an_ending_in_the_spawn_gap_ends_what_was_found() -> None:
    driver = spawning()
    driver.send(StopRequested())
    driver.forget_so_far()

    driver.resume(is_alive=True, identity=an_identity(7))

    (end,) = driver.done(End)
    assert end.launch.identity == an_identity(7)


def test_an_ending_in_the_spawn_gap_with_nobody_found_still_sweeps() -> None:
    driver = spawning()
    driver.send(StopRequested())
    driver.forget_so_far()

    driver.resume(is_alive=False)
    assert len(driver.done(End)) == 1
    driver.end()

    assert driver.session.status is Status.STOPPED


def test_a_deletion_is_taken_up_where_its_engine_still_lives() -> None:
    driver = deleting()

    driver.resume(is_alive=True)
    driver.end()

    assert driver.done(Forget) == [Forget(keep_data=False)]


def test_a_deletion_is_taken_up_where_only_the_directory_is_left() -> None:
    driver = connected()
    driver.send(DeleteRequested(keep_data=True))
    driver.end()
    driver.forget_so_far()

    driver.resume(is_alive=False)

    assert driver.commands == [Forget(keep_data=True)]


def test_a_network_restart_waits_anew_after_an_adoption() -> None:
    driver = connected()
    driver.report(LinkReport.DISCONNECTED)

    driver.sleep_daemon(3600)
    driver.resume(is_alive=True)
    driver.report(LinkReport.CONNECTED)
    driver.wait(3600)

    assert driver.session.status is Status.CONNECTED


def test_a_resumed_session_that_wants_to_run_is_not_left_stopped() -> None:
    driver = Driver()
    driver.session = replace(driver.session, desired=Desired.RUNNING)

    driver.resume(is_alive=False)

    assert (driver.session.process, driver.session.link) == (ProcessState.STARTING, LinkState.UNKNOWN)


def lacking_program() -> Driver:
    driver = spawning()
    missing = ProgramMissing(text="node was not found")
    driver.send(LaunchFailed(launch_id=driver.launch_id, code=ReasonCode.LAUNCH_FAILED, facts=missing))
    return driver


def test_a_session_that_lacks_its_program_waits_for_it_also_under_a_new_daemon() -> None:
    driver = lacking_program()
    assert driver.done(AwaitProgram) == [AwaitProgram()]

    driver.resume(is_alive=False, at_daemon_start=True)

    assert AwaitProgram() in driver.commands


def test_a_session_is_started_once_its_program_is_there() -> None:
    driver = lacking_program()

    driver.send(ProgramFound())

    assert driver.session.process is ProcessState.STARTING


def test_a_program_that_is_there_starts_no_session_that_failed_otherwise() -> None:
    driver = failed()

    driver.send(ProgramFound())

    assert isinstance(driver.answer, Dropped)
