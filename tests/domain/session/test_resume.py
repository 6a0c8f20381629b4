"""What a new daemon makes of each session an earlier one left behind."""

from dataclasses import replace

import pytest

from openwa_manager.domain.session.commands import BringUp, End, Enqueue, Forget, Spawn, Sweep, WatchExit
from openwa_manager.domain.session.context import Dropped
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Desired, LinkState, ProcessState, Restarts, Status
from openwa_manager.domain.session.stimuli import DeleteRequested, LinkReport, StopRequested
from tests.domain.session.stage import (
    Make,
    Stage,
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
    stage = make()
    before = stage.session

    stage.resume(is_alive=True)

    assert [type(command) for command in stage.commands] == [WatchExit, BringUp]
    assert stage.told() == []
    assert (stage.session.status, stage.session.launch) == (before.status, before.launch)


def test_an_engine_found_by_its_launch_id_is_adopted() -> None:
    stage = spawning()

    stage.resume(is_alive=True, identity=an_identity(7))

    assert (stage.session.pid, stage.session.started_at) == (1007, stage.at)
    assert stage.done(Spawn) == []


def test_a_recorded_process_is_trusted_before_one_that_was_found() -> None:
    stage = booting()

    stage.resume(is_alive=True, identity=an_identity(7))

    assert stage.session.pid == 1001


def test_what_an_adopted_engine_says_first_is_an_ordinary_change() -> None:
    stage = connected()

    stage.resume(is_alive=True)
    stage.report(LinkReport.INITIALIZING)

    assert stage.told() == ["session.status", "session.disconnected"]


def test_a_scan_nobody_watched_is_not_cut_off_by_the_pairing_window() -> None:
    stage = showing_code()

    stage.sleep_daemon(3600)
    stage.resume(is_alive=True)
    stage.report(LinkReport.CONNECTED)
    stage.wait(3600)

    assert stage.session.status is Status.CONNECTED


def test_an_adopted_engine_that_shows_codes_for_nobody_is_ended_in_time() -> None:
    stage = showing_code()

    stage.sleep_daemon(3600)
    stage.resume(is_alive=True)
    stage.wait(180)

    assert stage.reason is ReasonCode.QR_EXPIRED


def test_an_engine_unlinked_while_nobody_watched_shows_its_code() -> None:
    stage = connected()

    stage.sleep_daemon(3600)
    stage.resume(is_alive=True)
    stage.report(LinkReport.QR_READY)
    stage.show_code("new")

    assert stage.session.status is Status.QR_READY
    assert "session.disconnected" in stage.told()


@pytest.mark.parametrize("make", [booting, running, connected])
def test_an_engine_that_died_meanwhile_has_crashed(make: Make) -> None:
    stage = make()

    stage.resume(is_alive=False)

    assert (stage.session.status, stage.reason) == (Status.RESTARTING, ReasonCode.ENGINE_EXITED)
    assert "session.crashed" in stage.told()


def test_an_engine_that_died_with_its_host_is_restarted_at_once_for_free() -> None:
    stage = connected()

    stage.resume(is_alive=False, host_rebooted=True)
    stage.boot()

    assert stage.told() == ["session.status", "session.disconnected", "session.restarted"]
    book = stage.session.restarts
    assert (book.count, book.streak, book.last_reason) == (1, 0, ReasonCode.ENGINE_EXITED)
    assert stage.steps[0].evidence == {"host_rebooted": True}


def test_a_launch_that_never_became_a_process_is_launched_anew_after_a_sweep() -> None:
    stage = spawning()

    stage.resume(is_alive=False)
    stage.slot()

    assert [type(command) for command in stage.commands] == [Enqueue, Sweep, Spawn]
    assert stage.session.launch_count == 2


def test_a_queued_start_is_queued_again() -> None:
    stage = queued()

    stage.resume(is_alive=False)

    assert stage.commands == [Enqueue(cause=ReasonCode.REQUESTED)]


def test_a_live_process_of_no_launch_is_none_of_ours() -> None:
    stage = queued()

    stage.resume(is_alive=True, identity=an_identity(7))

    assert stage.commands == [Enqueue(cause=ReasonCode.REQUESTED)]


def test_a_queued_restart_keeps_its_cause() -> None:
    stage = backing_off()
    stage.wait(1.0)

    stage.resume(is_alive=False)
    stage.boot()

    assert stage.the("session.restarted").data["reason"] == "engine_exited"
    assert stage.session.restarts.count == 1


@pytest.mark.parametrize(("make", "wait_s"), [(backing_off, 1.0), (failed, 1800.0)])
def test_a_pause_goes_on_where_it_was(make: Make, wait_s: float) -> None:
    stage = make()

    stage.sleep_daemon(wait_s / 2)
    stage.resume(is_alive=False)
    assert stage.done(Enqueue) == []
    stage.wait(wait_s / 2)

    assert len(stage.done(Enqueue)) == 1


def test_a_wall_clock_set_back_does_not_prolong_a_pause() -> None:
    stage = failed()
    stage.sleep_daemon(0)
    stage.at -= 1e9

    stage.resume(is_alive=False)
    stage.wait(1800)

    assert len(stage.done(Enqueue)) == 1


def test_a_session_stopped_until_the_next_start_starts_as_if_asked_to() -> None:
    stage = connected_again()
    stage.play(StopRequested(until_start=True))
    stage.end()
    stage.forget_so_far()

    stage.resume(is_alive=False)
    assert stage.session.restarts == Restarts()
    stage.boot()

    assert stage.told() == ["session.status"]


@pytest.mark.parametrize("make", [Stage, banned])
def test_a_session_that_is_to_be_stopped_stays_so(make: Make) -> None:
    stage = make()
    before = stage.session

    stage.resume(is_alive=False)

    assert isinstance(stage.answer, Dropped)
    assert stage.session == before


@pytest.mark.parametrize("is_alive", [True, False])
def test_an_ending_is_taken_up_again(is_alive: bool) -> None:
    stage = stopping()

    stage.resume(is_alive=is_alive)
    assert [end.launch for end in stage.done(End)] == [stage.session.launch]
    stage.end()

    assert stage.session.status is Status.STOPPED


def test_an_ending_in_the_spawn_gap_ends_what_was_found() -> None:
    stage = spawning()
    stage.play(StopRequested())
    stage.forget_so_far()

    stage.resume(is_alive=True, identity=an_identity(7))

    (end,) = stage.done(End)
    assert end.launch.identity == an_identity(7)


def test_an_ending_in_the_spawn_gap_with_nobody_found_still_sweeps() -> None:
    stage = spawning()
    stage.play(StopRequested())
    stage.forget_so_far()

    stage.resume(is_alive=False)
    assert len(stage.done(End)) == 1
    stage.end()

    assert stage.session.status is Status.STOPPED


def test_a_deletion_is_taken_up_where_its_engine_still_lives() -> None:
    stage = deleting()

    stage.resume(is_alive=True)
    stage.end()

    assert stage.done(Forget) == [Forget(keep_data=False)]


def test_a_deletion_is_taken_up_where_only_the_directory_is_left() -> None:
    stage = connected()
    stage.play(DeleteRequested(keep_data=True))
    stage.end()
    stage.forget_so_far()

    stage.resume(is_alive=False)

    assert stage.commands == [Forget(keep_data=True)]


def test_a_network_restart_waits_anew_after_an_adoption() -> None:
    stage = connected()
    stage.report(LinkReport.DISCONNECTED)

    stage.sleep_daemon(3600)
    stage.resume(is_alive=True)
    stage.report(LinkReport.CONNECTED)
    stage.wait(3600)

    assert stage.session.status is Status.CONNECTED


def test_a_resumed_session_that_wants_to_run_is_not_left_stopped() -> None:
    stage = Stage()
    stage.session = replace(stage.session, desired=Desired.RUNNING)

    stage.resume(is_alive=False)

    assert (stage.session.process, stage.session.link) == (ProcessState.STARTING, LinkState.UNKNOWN)
