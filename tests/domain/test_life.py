"""The life of a session as straight stories: what happens, and exactly what is told of it, in order."""

import pytest

from openwa_manager.domain.commands import BringUp, End, Enqueue, Forget, RemoveQr, Spawn, Sweep, WatchExit
from openwa_manager.domain.lifecycle import Dropped
from openwa_manager.domain.session import Desired, LinkState, ProcessState, ReasonCode, Status
from openwa_manager.domain.stimuli import (
    DeleteRequested,
    DirectoryRemoved,
    LinkReport,
    RestartRequested,
    SlotDelayed,
    SlotGranted,
    StartRequested,
    StopRequested,
)
from tests.domain.stage import (
    Stage,
    a_launch,
    backing_off,
    booting,
    connected,
    failed,
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

    stage.crash(log_tail="boom")

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

    stage.play(SlotDelayed(code=ReasonCode.MEMORY_LOW, detail="500 MB free"))
    stage.play(SlotDelayed(code=ReasonCode.MEMORY_LOW, detail="499 MB free"))

    assert isinstance(stage.answer, Dropped)
    assert stage.session.reason is not None
    assert (stage.reason, stage.session.reason.detail) == (ReasonCode.MEMORY_LOW, "500 MB free")
    assert len(stage.steps) == 1


def test_a_slot_cannot_be_held_back_once_the_launch_began() -> None:
    stage = spawning()

    stage.play(SlotDelayed(code=ReasonCode.MEMORY_LOW, detail=""))

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


def test_a_crash_tells_how_it_went_and_when_the_next_try_is() -> None:
    stage = connected()

    stage.crash(exit_code=None, signal=9)

    assert stage.the("session.crashed").data == {
        "pid": 1001,
        "exit_code": None,
        "signal": 9,
        "attempt": 1,
        "delay_s": 1.0,
        "reason": "engine_exited",
    }
    assert stage.session.restarts.next_at == stage.at + 1.0
    assert [type(command) for command in stage.commands] == [RemoveQr, Sweep]


@pytest.mark.parametrize(
    ("exit_code", "signal", "log_tail", "code", "detail"),
    [
        (0, None, "", ReasonCode.ENGINE_EXITED, "exited with code 0"),
        (None, 9, "", ReasonCode.ENGINE_EXITED, "killed by signal 9"),
        (None, None, "", ReasonCode.ENGINE_EXITED, "exit code unknown"),
        (1, None, "listen EADDRINUSE :::1", ReasonCode.PORT_IN_USE, "its port was taken: exited with code 1"),
    ],
)
def test_the_reason_of_a_crash_says_how_the_engine_ended(
    exit_code: int | None, signal: int | None, log_tail: str, code: ReasonCode, detail: str
) -> None:
    stage = running()

    stage.crash(exit_code, signal, log_tail)

    assert stage.session.reason is not None
    assert (stage.reason, stage.session.reason.detail) == (code, detail)


def test_a_restart_after_a_crash_is_told_with_its_cause() -> None:
    stage = backing_off()

    stage.wait(1.0)
    stage.boot()

    assert stage.the("session.restarted").data == {"pid": 1002, "attempt": 1, "reason": "engine_exited"}
    assert stage.session.restarts.next_at is None


def test_only_restarts_that_happen_are_counted() -> None:
    stage = backing_off()

    assert stage.session.restarts.count == 0
    stage.wait(1.0)
    assert stage.session.restarts.count == 1
    stage.boot()
    stage.crash()
    stage.play(StopRequested())

    assert stage.session.restarts.count == 1


def test_a_crash_loop_gives_up_with_one_failure() -> None:
    stage = _looping()

    assert (stage.session.process, stage.reason) == (ProcessState.FAILED, ReasonCode.CRASH_LOOP)
    assert stage.told().count("session.failed") == 1


def test_a_crash_in_the_slow_retry_is_not_a_failure_anew() -> None:
    stage = _looping()
    stage.forget_so_far()

    stage.wait(1800)
    stage.boot()
    stage.crash()

    assert stage.session.process is ProcessState.FAILED
    assert stage.session.restarts.count == 5
    assert stage.told() == ["session.status", "session.restarted", "session.status", "session.crashed"]


def test_ten_steady_minutes_forgive_a_crash_loop() -> None:
    stage = _looping()

    stage.wait(1800)
    stage.boot()
    stage.report(LinkReport.CONNECTED)
    stage.wait(600)
    stage.crash()

    assert stage.session.process is ProcessState.BACKOFF
    assert stage.session.restarts.streak == 1
    assert stage.session.restarts.count == 5


def test_a_first_crash_after_an_impossible_launch_gets_the_short_pause() -> None:
    stage = failed()

    stage.wait(1800)
    stage.boot()
    stage.crash()

    assert stage.session.process is ProcessState.BACKOFF
    assert stage.session.restarts.next_at == stage.at + 1.0


def test_a_requested_start_ends_the_slow_retry_with_a_clean_book() -> None:
    stage = _looping()

    stage.play(StartRequested())
    stage.boot()
    stage.crash()

    assert stage.session.process is ProcessState.BACKOFF
    assert stage.session.restarts.streak == 1


def test_recycling_for_memory_costs_no_budget() -> None:
    stage = connected()

    for _ in range(20):
        stage.fault(ReasonCode.MEMORY_LIMIT, "too large")
        stage.end()
        stage.boot()

    assert stage.session.process is ProcessState.RUNNING
    book = stage.session.restarts
    assert (book.count, book.streak, book.crashed_at) == (20, 0, ())
    assert "session.crashed" not in stage.told()


def test_a_hung_engine_is_ended_and_counts_as_crashed() -> None:
    stage = connected()

    stage.fault(ReasonCode.ENGINE_UNRESPONSIVE, "4 probes missed")
    assert stage.told() == ["session.status", "session.disconnected"]
    stage.end()

    assert stage.told() == ["session.status", "session.crashed"]
    assert (stage.session.process, stage.session.restarts.streak) == (ProcessState.BACKOFF, 1)


def test_an_internal_error_ends_the_engine_and_fails_the_session() -> None:
    stage = connected()

    stage.fault(ReasonCode.INTERNAL_ERROR, "three bugs")
    stage.end()

    assert stage.told() == ["session.status", "session.disconnected", "session.status", "session.failed"]
    assert stage.session.reason is not None
    assert (stage.reason, stage.session.reason.detail) == (ReasonCode.INTERNAL_ERROR, "three bugs")
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


def _looping() -> Stage:
    stage = queued()
    for _ in range(4):
        stage.boot()
        stage.crash()
        stage.wait(stage.policy.restart.backoff_max_s)
    stage.boot()
    stage.crash()
    return stage
