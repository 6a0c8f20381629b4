"""Logging out, deleting, and changed settings, in every state."""

from dataclasses import replace

import pytest

from openwa_manager.domain.session.commands import Dequeue, End, Forget
from openwa_manager.domain.session.context import Dropped, Refused
from openwa_manager.domain.session.launch_facts import OwnedBy
from openwa_manager.domain.session.lifecycle import Decided
from openwa_manager.domain.session.reasons import NotRemoved, ReasonCode
from openwa_manager.domain.session.session import After, Desired, Status
from openwa_manager.domain.session.stimuli import (
    ChangeRequested,
    DeleteRequested,
    DirectoryRemoved,
    LinkReport,
    LogoutRequested,
    RemovalHindered,
)
from tests.domain.session.driver import (
    IDLE,
    UP,
    Driver,
    Make,
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
    driver = connected()

    driver.send(LogoutRequested())
    assert driver.told() == ["session.status", "session.logged_out"]
    driver.end()

    assert (driver.session.status, driver.session.desired) == (Status.LOGGED_OUT, Desired.STOPPED)
    assert (driver.session.phone_number, driver.session.last_connected_at) == (None, None)


def test_a_logout_the_engine_told_of_first_is_done_already() -> None:
    driver = connected()

    driver.report(LinkReport.LOGGED_OUT)
    driver.send(LogoutRequested())
    assert isinstance(driver.answer, Decided)
    driver.end()
    driver.send(LogoutRequested())

    assert isinstance(driver.answer, Decided)
    assert driver.session.status is Status.LOGGED_OUT


def test_a_logout_overtaken_by_another_ending_keeps_the_session_down() -> None:
    driver = leaving(ReasonCode.MEMORY_LIMIT)

    driver.send(LogoutRequested())
    driver.end()

    assert driver.session.status is Status.LOGGED_OUT


@pytest.mark.parametrize("make", [backing_off, failed])
def test_an_engine_that_died_of_its_logout_is_not_restarted(make: Make) -> None:
    driver = make()

    driver.send(LogoutRequested())
    driver.wait(1_000_000)

    assert (driver.session.status, driver.session.desired) == (Status.LOGGED_OUT, Desired.STOPPED)
    assert driver.told() == ["session.status", "session.logged_out", "session.stopped"]


def test_a_logout_does_not_call_off_a_deletion() -> None:
    driver = deleting()

    driver.send(LogoutRequested())
    driver.end()

    assert driver.done(Forget) == [Forget(keep_data=False)]


@pytest.mark.parametrize("make", [Driver, queued, spawning, booting, banned])
def test_a_logout_without_a_running_engine_is_refused(make: Make) -> None:
    driver = make()
    before = driver.session

    driver.send(LogoutRequested())

    assert isinstance(driver.answer, Refused)
    assert driver.session == before


@pytest.mark.parametrize("make", [*IDLE, queued])
@pytest.mark.parametrize("keep_data", [True, False])
def test_a_session_without_an_engine_is_removed_at_once(make: Make, keep_data: bool) -> None:
    driver = make()

    driver.send(DeleteRequested(keep_data=keep_data))
    assert driver.commands == [Dequeue(), Forget(keep_data=keep_data)]
    driver.send(DirectoryRemoved())

    assert driver.is_gone
    assert driver.session.restarts.next_at is None


@pytest.mark.parametrize("make", [connected, stopping])
def test_what_hinders_no_removal_is_dropped(make: Make) -> None:
    driver = make()
    before = driver.session

    driver.send(hindered("a file is in use"))

    assert isinstance(driver.answer, Dropped)
    assert driver.session == before


def hindered(detail: str) -> RemovalHindered:
    return RemovalHindered(code=ReasonCode.REQUESTED, facts=NotRemoved(detail=detail))


def test_an_engine_that_is_not_ours_and_stays_is_told_once() -> None:
    driver = IDLE[0]()
    driver.send(DeleteRequested())

    for age_s in (1.0, 3.0):
        owner = OwnedBy(pid=7, command="node", age_s=age_s)
        driver.send(RemovalHindered(code=ReasonCode.OWNED_ELSEWHERE, facts=owner))

    assert isinstance(driver.answer, Dropped)
    assert driver.reason is ReasonCode.OWNED_ELSEWHERE


def test_what_keeps_a_directory_from_being_removed_is_told_once() -> None:
    driver = IDLE[0]()
    driver.send(DeleteRequested())

    driver.send(hindered("Read-only file system"))
    driver.send(hindered("Read-only file system"))

    assert isinstance(driver.answer, Dropped)
    assert driver.session.reason is not None
    assert driver.session.reason.detail.endswith("cannot be removed yet: Read-only file system")


@pytest.mark.parametrize("make", IDLE)
def test_only_a_deletion_can_be_hindered(make: Make) -> None:
    driver = make()

    driver.send(hindered("x"))

    assert isinstance(driver.answer, Dropped)


@pytest.mark.parametrize("make", UP)
def test_a_live_engine_is_proven_dead_before_its_session_is_removed(make: Make) -> None:
    driver = make()

    driver.send(DeleteRequested())
    assert driver.done(Forget) == []
    driver.end()

    assert driver.done(Forget) == [Forget(keep_data=False)]


def test_a_deletion_in_the_spawn_gap_waits_for_the_process() -> None:
    driver = spawning()

    driver.send(DeleteRequested())
    driver.launched()
    driver.end()

    assert len(driver.done(End)) == 1
    assert driver.done(Forget) == [Forget(keep_data=False)]


def test_a_launch_that_fails_while_its_session_is_deleted_is_removed() -> None:
    driver = spawning()

    driver.send(DeleteRequested())
    driver.launch_failed()

    assert driver.done(Forget) == [Forget(keep_data=False)]


def test_a_deletion_while_stopping_follows_the_end() -> None:
    driver = stopping()

    driver.send(DeleteRequested())
    driver.end()

    assert driver.session.ending is not None
    assert driver.session.ending.after is After.DELETE
    assert driver.done(Forget) == [Forget(keep_data=False)]


def test_a_second_deletion_while_the_directory_goes_removes_it_once() -> None:
    driver = deleting()
    driver.end()

    driver.send(DeleteRequested(keep_data=True))

    assert driver.done(Forget) == [Forget(keep_data=False)]


@pytest.mark.parametrize("make", [*IDLE, queued, *UP, stopping, deleting])
def test_changed_settings_wait_for_the_next_launch_in_every_state(make: Make) -> None:
    driver = make()
    spec = replace(driver.session.spec, labels={"team": "a"})

    driver.send(ChangeRequested(spec=spec))

    assert driver.session.spec == spec
    assert driver.commands == []
    assert [step.decision for step in driver.steps] == ["settings changed for the next launch"]


def test_settings_that_do_not_change_leave_no_step() -> None:
    driver = connected()

    driver.send(ChangeRequested(spec=driver.session.spec))

    assert driver.steps == []
