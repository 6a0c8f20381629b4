"""Logging out, deleting, and changed settings, in every state."""

from dataclasses import replace

import pytest

from openwa_manager.domain.session.commands import Dequeue, End, Forget
from openwa_manager.domain.session.context import Refused
from openwa_manager.domain.session.lifecycle import Decided
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import After, Desired, Status
from openwa_manager.domain.session.stimuli import (
    ChangeRequested,
    DeleteRequested,
    DirectoryRemoved,
    LinkReport,
    LogoutRequested,
)
from tests.domain.session.stage import (
    IDLE,
    UP,
    Make,
    Stage,
    backing_off,
    banned,
    booting,
    connected,
    deleting,
    failed,
    leaving,
    queued,
    spawning,
    stopping,
)


def test_a_logout_ends_the_engine_and_forgets_the_account() -> None:
    stage = connected()

    stage.play(LogoutRequested())
    assert stage.told() == ["session.status", "session.logged_out"]
    stage.end()

    assert (stage.session.status, stage.session.desired) == (Status.LOGGED_OUT, Desired.STOPPED)
    assert (stage.session.phone_number, stage.session.last_connected_at) == (None, None)


def test_a_logout_the_engine_told_of_first_is_done_already() -> None:
    stage = connected()

    stage.report(LinkReport.LOGGED_OUT)
    stage.play(LogoutRequested())
    assert isinstance(stage.answer, Decided)
    stage.end()
    stage.play(LogoutRequested())

    assert isinstance(stage.answer, Decided)
    assert stage.session.status is Status.LOGGED_OUT


def test_a_logout_overtaken_by_another_ending_keeps_the_session_down() -> None:
    stage = leaving(ReasonCode.MEMORY_LIMIT)

    stage.play(LogoutRequested())
    stage.end()

    assert stage.session.status is Status.LOGGED_OUT


@pytest.mark.parametrize("make", [backing_off, failed])
def test_an_engine_that_died_of_its_logout_is_not_restarted(make: Make) -> None:
    stage = make()

    stage.play(LogoutRequested())
    stage.wait(1_000_000)

    assert (stage.session.status, stage.session.desired) == (Status.LOGGED_OUT, Desired.STOPPED)
    assert stage.told() == ["session.status", "session.logged_out", "session.stopped"]


def test_a_logout_does_not_call_off_a_deletion() -> None:
    stage = deleting()

    stage.play(LogoutRequested())
    stage.end()

    assert stage.done(Forget) == [Forget(keep_data=False)]


@pytest.mark.parametrize("make", [Stage, queued, spawning, booting, banned])
def test_a_logout_without_a_running_engine_is_refused(make: Make) -> None:
    stage = make()
    before = stage.session

    stage.play(LogoutRequested())

    assert isinstance(stage.answer, Refused)
    assert stage.session == before


@pytest.mark.parametrize("make", [*IDLE, queued])
@pytest.mark.parametrize("keep_data", [True, False])
def test_a_session_without_an_engine_is_removed_at_once(make: Make, keep_data: bool) -> None:
    stage = make()

    stage.play(DeleteRequested(keep_data=keep_data))
    assert stage.commands == [Dequeue(), Forget(keep_data=keep_data)]
    stage.play(DirectoryRemoved())

    assert stage.is_gone
    assert stage.session.restarts.next_at is None


@pytest.mark.parametrize("make", UP)
def test_a_live_engine_is_proven_dead_before_its_session_is_removed(make: Make) -> None:
    stage = make()

    stage.play(DeleteRequested())
    assert stage.done(Forget) == []
    stage.end()

    assert stage.done(Forget) == [Forget(keep_data=False)]


def test_a_deletion_in_the_spawn_gap_waits_for_the_process() -> None:
    stage = spawning()

    stage.play(DeleteRequested())
    stage.launched()
    stage.end()

    assert len(stage.done(End)) == 1
    assert stage.done(Forget) == [Forget(keep_data=False)]


def test_a_launch_that_fails_while_its_session_is_deleted_is_removed() -> None:
    stage = spawning()

    stage.play(DeleteRequested())
    stage.launch_failed()

    assert stage.done(Forget) == [Forget(keep_data=False)]


def test_a_deletion_while_stopping_follows_the_end() -> None:
    stage = stopping()

    stage.play(DeleteRequested())
    stage.end()

    assert stage.session.ending is not None
    assert stage.session.ending.after is After.DELETE
    assert stage.done(Forget) == [Forget(keep_data=False)]


def test_a_second_deletion_while_the_directory_goes_removes_it_once() -> None:
    stage = deleting()
    stage.end()

    stage.play(DeleteRequested(keep_data=True))

    assert stage.done(Forget) == [Forget(keep_data=False)]


@pytest.mark.parametrize("make", [*IDLE, queued, *UP, stopping, deleting])
def test_changed_settings_wait_for_the_next_launch_in_every_state(make: Make) -> None:
    stage = make()
    spec = replace(stage.session.spec, labels={"team": "a"})

    stage.play(ChangeRequested(spec=spec))

    assert stage.session.spec == spec
    assert stage.commands == []
    assert [step.decision for step in stage.steps] == ["settings changed for the next launch"]


def test_settings_that_do_not_change_leave_no_step() -> None:
    stage = connected()

    stage.play(ChangeRequested(spec=stage.session.spec))

    assert stage.steps == []
