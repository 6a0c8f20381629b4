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
from tests.domain.session.stage import (
    Stage,
    a_launch,
    backing_off,
    booting,
    connected,
    queued,
    running,
    spawning,
)


def test_a_whole_life_is_told_in_order() -> None:
    stage = Stage()

    stage.begin()
    assert stage.told() == ["session.created"]
    stage.play(StartRequested())
    assert stage.told() == ["session.status"]
    stage.boot()
    assert stage.told() == []
    stage.show_code()
    assert stage.told() == ["session.status", "session.qr"]
    stage.report(LinkReport.INITIALIZING)
    assert stage.told() == ["session.status"]
    stage.report(LinkReport.CONNECTED)
    assert stage.told() == ["session.status", "session.connected"]
    stage.crash()
    assert stage.told() == ["session.status", "session.disconnected", "session.crashed"]
    stage.wait(1.0)
    assert stage.told() == ["session.status"]
    stage.boot()
    assert stage.told() == ["session.restarted"]
    stage.report(LinkReport.CONNECTED)
    assert stage.told() == ["session.status", "session.connected"]
    stage.play(StopRequested())
    assert stage.told() == ["session.status", "session.disconnected"]
    stage.end()
    assert stage.told() == ["session.status", "session.stopped"]
    stage.play(DeleteRequested(), DirectoryRemoved())
    assert stage.told() == ["session.status", "session.deleted"]
    assert stage.is_gone


def test_a_whole_life_numbers_its_events_without_gaps() -> None:
    stage = Stage()

    stage.begin()
    stage.start()
    stage.show_code()
    stage.report(LinkReport.CONNECTED)
    stage.crash()

    numbers = [event.session_seq for event in stage.events if event.type != "session.qr"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert stage.the("session.qr").session_seq is None
    assert stage.session.event_seq == numbers[-1]


def test_an_event_carries_its_session_user_time_and_launch() -> None:
    stage = running()

    stage.crash()

    event = stage.the("session.crashed")
    assert (event.session_id, event.user_id) == (stage.session.session_id, "1")
    assert (event.occurred_at, event.launch, event.expires_at) == (stage.at, 1, None)


def test_a_step_names_the_stimulus_and_its_evidence() -> None:
    stage = running()

    stage.crash()

    (step,) = stage.steps
    assert (step.stimulus, step.decision, step.at) == ("ProcessExited", "restart in 1.0 s", stage.at)
    assert step.evidence == {
        "pid": 1001,
        "exit_code": 1,
        "signal": None,
        "cause": "engine_exited",
        "log_tail": "boom",
    }


def test_a_step_of_a_deadline_names_the_deadline() -> None:
    stage = booting()

    stage.wait(45)

    assert [step.stimulus for step in stage.steps] == ["DeadlinePassed(boot)"]


def test_a_start_asks_for_a_slot_first() -> None:
    stage = Stage()

    stage.play(StartRequested())

    assert stage.commands == [Enqueue(cause=ReasonCode.REQUESTED)]
    assert (stage.session.status, stage.session.pid, stage.reason) == (Status.CREATING, None, ReasonCode.QUEUED)


def test_a_granted_slot_launches_once() -> None:
    stage = queued()

    stage.slot()
    stage.play(SlotGranted(launch=a_launch(2, stage.at)))

    assert isinstance(stage.answer, Dropped)
    assert [spawn.launch.number for spawn in stage.done(Spawn)] == [1]
    assert stage.session.launch_count == 1


def test_a_slot_held_back_says_why_once() -> None:
    stage = queued()

    for free_bytes in (500, 499):
        facts = NotEnoughFree(resource=Resource.MEMORY, free_bytes=free_bytes, min_free_bytes=600)
        stage.play(SlotDelayed(code=ReasonCode.MEMORY_LOW, facts=facts))

    assert isinstance(stage.answer, Dropped)
    assert stage.session.reason is not None
    assert (stage.reason, stage.session.reason.detail) == (
        ReasonCode.MEMORY_LOW,
        "500 bytes of memory free, 600 are kept free",
    )
    assert len(stage.steps) == 1


def test_a_slot_cannot_be_held_back_once_the_launch_began() -> None:
    stage = spawning()

    stage.play(SlotDelayed(code=ReasonCode.MEMORY_LOW))

    assert isinstance(stage.answer, Dropped)


def test_a_launched_engine_is_watched_and_brought_up() -> None:
    stage = spawning()

    stage.launched()

    assert [type(command) for command in stage.commands] == [WatchExit, BringUp]
    assert (stage.session.pid, stage.session.started_at) == (1001, stage.at)
    assert stage.told() == []  # a requested start is no restart


def test_an_engine_that_answers_is_running() -> None:
    stage = booting()

    stage.ready()

    assert (stage.session.process, stage.session.inner_id) == (ProcessState.RUNNING, "inner")
    assert (stage.reason, stage.session.last_seen_at) == (None, stage.at)


def test_an_engine_that_answers_twice_is_no_news() -> None:
    stage = running()

    stage.ready()

    assert isinstance(stage.answer, Dropped)


def test_an_engine_that_does_not_answer_in_time_is_ended_and_counts_as_crashed() -> None:
    stage = booting()

    stage.wait(45)
    stage.end()

    assert len(stage.done(End)) == 1
    assert (stage.session.process, stage.reason) == (ProcessState.BACKOFF, ReasonCode.BOOT_TIMEOUT)
    assert stage.session.reason is not None
    assert stage.session.reason.detail == "not up within 45 s"
    assert stage.told() == ["session.status", "session.status", "session.crashed"]


def test_the_boot_deadline_waits_for_the_process() -> None:
    stage = spawning()

    stage.wait(1000)

    assert stage.session.process is ProcessState.STARTING


def test_an_impossible_launch_fails_and_is_tried_again_every_half_hour() -> None:
    stage = spawning()

    stage.launch_failed()
    assert stage.told() == ["session.status", "session.failed"]
    stage.wait(1800)
    assert stage.told() == ["session.status"]
    stage.slot()
    stage.launch_failed()

    assert stage.told() == ["session.status"]  # the failure is not told twice
    assert (stage.session.process, stage.reason) == (ProcessState.FAILED, ReasonCode.LAUNCH_FAILED)
    assert stage.session.restarts.next_at == stage.at + 1800


@pytest.mark.parametrize("code", [ReasonCode.INTERNAL_ERROR, ReasonCode.ENGINE_UNRESPONSIVE])
def test_an_engine_faulted_before_its_process_is_known_is_ended_once_it_is(code: ReasonCode) -> None:
    stage = spawning()

    stage.fault(code)
    assert stage.done(End) == []
    stage.launched()

    (end,) = stage.done(End)
    assert end.launch.identity is not None
    assert stage.done(BringUp) == []


def test_a_launch_that_fails_while_it_is_to_be_ended_ends_there() -> None:
    stage = spawning()

    stage.play(StopRequested())
    stage.launch_failed()

    assert (stage.session.status, stage.reason) == (Status.STOPPED, ReasonCode.REQUESTED)


def test_a_restart_forgets_the_crashes() -> None:
    stage = backing_off()

    stage.play(RestartRequested())
    stage.boot()

    assert stage.the("session.restarted").data["reason"] == "requested"
    assert (stage.session.restarts.count, stage.session.restarts.streak) == (0, 0)


def test_a_stopped_session_keeps_nothing_of_its_launch() -> None:
    stage = connected()

    stage.play(StopRequested())
    stage.end()

    session = stage.session
    assert (session.launch, session.ending, session.qr, session.started_at, session.connected_at) == (None,) * 5
    assert (session.link, session.desired, session.last_connected_at) == (LinkState.UNKNOWN, Desired.STOPPED, stage.at)


def test_a_deleted_session_shows_no_pid_while_its_directory_goes() -> None:
    stage = connected()

    stage.play(DeleteRequested(keep_data=True))
    stage.end()

    assert stage.done(Forget) == [Forget(keep_data=True)]
    assert stage.session.pid is None
    assert not stage.is_gone


def test_a_directory_that_was_not_to_be_removed_ends_nothing() -> None:
    stage = connected()

    stage.play(StopRequested(), DirectoryRemoved())

    assert isinstance(stage.answer, Dropped)
    assert not stage.is_gone
