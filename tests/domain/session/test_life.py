"""The life of a session as straight stories: what happens, and exactly what is told of it, in order."""

import pytest

from openwa_manager.domain.session.commands import BringUp, End, Enqueue, Forget, Spawn, WatchExit
from openwa_manager.domain.session.context import Dropped
from openwa_manager.domain.session.reasons import NotEnoughFree, ReasonCode, Resource
from openwa_manager.domain.session.session import Desired, LinkState, ProcessState, Status
from openwa_manager.domain.session.stimuli import (
    DeleteRequested,
    DirectoryRemoved,
    LinkReport,
    RestartRequested,
    SlotDelayed,
    SlotGranted,
    StartRequested,
    StopRequested,
)
from tests.domain.session.driver import (
    Driver,
    a_launch,
    backing_off,
    booting,
    connected,
    queued,
    running,
    spawning,
)


def test_a_whole_life_is_told_in_order() -> None:
    driver = Driver()

    driver.begin()
    assert driver.told() == ["session.created"]
    driver.send(StartRequested())
    assert driver.told() == ["session.status"]
    driver.boot()
    assert driver.told() == []
    driver.show_code()
    assert driver.told() == ["session.status", "session.qr"]
    driver.report(LinkReport.INITIALIZING)
    assert driver.told() == ["session.status"]
    driver.report(LinkReport.CONNECTED)
    assert driver.told() == ["session.status", "session.connected"]
    driver.crash()
    assert driver.told() == ["session.status", "session.disconnected", "session.crashed"]
    driver.wait(1.0)
    assert driver.told() == ["session.status"]
    driver.boot()
    assert driver.told() == ["session.restarted"]
    driver.report(LinkReport.CONNECTED)
    assert driver.told() == ["session.status", "session.connected"]
    driver.send(StopRequested())
    assert driver.told() == ["session.status", "session.disconnected"]
    driver.end()
    assert driver.told() == ["session.status", "session.stopped"]
    driver.send(DeleteRequested(), DirectoryRemoved())
    assert driver.told() == ["session.status", "session.deleted"]
    assert driver.is_gone


def test_an_event_carries_its_session_user_time_and_launch() -> None:
    driver = running()

    driver.crash()

    event = driver.the("session.crashed")
    assert (event.session_id, event.user_id) == (driver.session.session_id, "1")
    assert (event.occurred_at, event.launch, event.expires_at) == (driver.at, 1, None)


def test_a_step_names_the_stimulus_and_its_evidence() -> None:
    driver = running()

    driver.crash()

    (step,) = driver.steps
    assert (step.stimulus, step.decision, step.at) == ("ProcessExited", "restart in 1.0 s", driver.at)
    assert step.evidence == {
        "pid": 1001,
        "exit_code": 1,
        "signal": None,
        "cause": "engine_exited",
        "log_tail": "boom",
    }


def test_a_step_of_a_deadline_names_the_deadline() -> None:
    driver = booting()

    driver.wait(45)

    assert [step.stimulus for step in driver.steps] == ["DeadlinePassed(slow)", "DeadlinePassed(boot)"]


def test_a_start_asks_for_a_slot_first() -> None:
    driver = Driver()

    driver.send(StartRequested())

    assert driver.commands == [Enqueue(cause=ReasonCode.REQUESTED)]
    assert (driver.session.status, driver.session.pid, driver.reason) == (Status.CREATING, None, ReasonCode.QUEUED)


def test_a_granted_slot_launches_once() -> None:
    driver = queued()

    driver.slot()
    driver.send(SlotGranted(launch=a_launch(2, driver.at)))

    assert isinstance(driver.answer, Dropped)
    assert [spawn.launch.number for spawn in driver.done(Spawn)] == [1]
    assert driver.session.launch_count == 1


def test_a_slot_held_back_says_why_once() -> None:
    driver = queued()

    for free_bytes in (500, 499):
        facts = NotEnoughFree(resource=Resource.MEMORY, free_bytes=free_bytes, min_free_bytes=600)
        driver.send(SlotDelayed(code=ReasonCode.MEMORY_LOW, facts=facts))

    assert isinstance(driver.answer, Dropped)
    assert driver.session.reason is not None
    assert (driver.reason, driver.session.reason.detail) == (
        ReasonCode.MEMORY_LOW,
        "500 bytes of memory free, 600 are kept free",
    )
    assert len(driver.steps) == 1


def test_a_slot_cannot_be_held_back_once_the_launch_began() -> None:
    driver = spawning()

    driver.send(SlotDelayed(code=ReasonCode.MEMORY_LOW))

    assert isinstance(driver.answer, Dropped)


def test_a_launched_engine_is_watched_and_brought_up() -> None:
    driver = spawning()

    driver.launched()

    assert [type(command) for command in driver.commands] == [WatchExit, BringUp]
    assert (driver.session.pid, driver.session.started_at) == (1001, driver.at)
    assert driver.told() == []  # a requested start is no restart


def test_an_engine_that_answers_is_running() -> None:
    driver = booting()

    driver.ready()

    assert (driver.session.process, driver.session.inner_id) == (ProcessState.RUNNING, "inner")
    assert (driver.reason, driver.session.last_seen_at) == (None, driver.at)


def test_an_engine_that_answers_twice_is_no_news() -> None:
    driver = running()

    driver.ready()

    assert isinstance(driver.answer, Dropped)


def test_an_engine_that_does_not_answer_in_time_is_ended_and_counts_as_crashed() -> None:
    driver = booting()

    driver.wait(45)
    driver.end()

    assert len(driver.done(End)) == 1
    assert (driver.session.process, driver.reason) == (ProcessState.BACKOFF, ReasonCode.BOOT_TIMEOUT)
    assert driver.session.reason is not None
    assert driver.session.reason.detail == "not up within 45 s"
    assert driver.told() == ["session.status", "session.status", "session.crashed"]


def test_the_boot_deadline_waits_for_the_process() -> None:
    driver = spawning()

    driver.wait(1000)

    assert driver.session.process is ProcessState.STARTING


def test_an_impossible_launch_fails_and_is_tried_again_every_half_hour() -> None:
    driver = spawning()

    driver.launch_failed()
    assert driver.told() == ["session.status", "session.failed"]
    driver.wait(1800)
    assert driver.told() == ["session.status"]
    driver.slot()
    driver.launch_failed()

    assert driver.told() == ["session.status"]  # the failure is not told twice
    assert (driver.session.process, driver.reason) == (ProcessState.FAILED, ReasonCode.LAUNCH_FAILED)
    assert driver.session.restarts.next_at == driver.at + 1800


@pytest.mark.parametrize("code", [ReasonCode.INTERNAL_ERROR, ReasonCode.ENGINE_UNRESPONSIVE])
def test_an_engine_faulted_before_its_process_is_known_is_ended_once_it_is(code: ReasonCode) -> None:
    driver = spawning()

    driver.fault(code)
    assert driver.done(End) == []
    driver.launched()

    (end,) = driver.done(End)
    assert end.launch.identity is not None
    assert driver.done(BringUp) == []


def test_a_launch_that_fails_while_it_is_to_be_ended_ends_there() -> None:
    driver = spawning()

    driver.send(StopRequested())
    driver.launch_failed()

    assert (driver.session.status, driver.reason) == (Status.STOPPED, ReasonCode.REQUESTED)


def test_a_restart_forgets_the_crashes() -> None:
    driver = backing_off()

    driver.send(RestartRequested())
    driver.boot()

    assert driver.the("session.restarted").data["reason"] == "requested"
    assert (driver.session.restarts.count, driver.session.restarts.streak) == (0, 0)


def test_a_stopped_session_keeps_nothing_of_its_launch() -> None:
    driver = connected()

    driver.send(StopRequested())
    driver.end()

    session = driver.session
    assert (session.launch, session.ending, session.qr, session.started_at, session.connected_at) == (None,) * 5
    assert (session.link, session.desired, session.last_connected_at) == (LinkState.UNKNOWN, Desired.STOPPED, driver.at)


def test_a_deleted_session_shows_no_pid_while_its_directory_goes() -> None:
    driver = connected()

    driver.send(DeleteRequested(keep_data=True))
    driver.end()

    assert driver.done(Forget) == [Forget(keep_data=True)]
    assert driver.session.pid is None
    assert not driver.is_gone


def test_a_directory_that_was_not_to_be_removed_ends_nothing() -> None:
    driver = connected()

    driver.send(StopRequested(), DirectoryRemoved())

    assert isinstance(driver.answer, Dropped)
    assert not driver.is_gone
