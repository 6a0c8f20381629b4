"""What people may ask, in every state: it is done or refused as a whole."""

import pytest

from openwa_manager.domain.session.commands import Dequeue, End, Enqueue
from openwa_manager.domain.session.context import Refused
from openwa_manager.domain.session.lifecycle import Decided
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Desired, LinkState, ProcessState, Restarts, Status
from openwa_manager.domain.session.stimuli import (
    LinkReport,
    Request,
    RestartRequested,
    StartRequested,
    StopRequested,
)
from tests.domain.session.stage import (
    IDLE,
    UP,
    Make,
    Stage,
    backing_off,
    banned,
    connected,
    deleting,
    failed,
    leaving,
    queued,
    spawning,
    stopping,
)


@pytest.mark.parametrize("make", IDLE)
def test_a_start_of_an_idle_session_is_queued_with_a_clean_book(make: Make) -> None:
    stage = make()

    stage.play(StartRequested())

    assert stage.done(Enqueue) == [Enqueue(cause=ReasonCode.REQUESTED)]
    assert (stage.session.desired, stage.session.restarts) == (Desired.RUNNING, Restarts())
    assert (stage.session.status, stage.session.link) == (Status.CREATING, LinkState.UNKNOWN)


@pytest.mark.parametrize("make", [queued, spawning, *UP])
def test_a_start_of_a_started_session_changes_nothing(make: Make) -> None:
    stage = make()
    before = stage.session

    stage.play(StartRequested())

    assert stage.session == before
    assert stage.commands == []


def test_a_start_while_stopping_starts_again_as_a_start() -> None:
    stage = stopping()

    stage.play(StartRequested())
    stage.end()
    stage.boot()

    assert (stage.session.process, stage.session.desired) == (ProcessState.RUNNING, Desired.RUNNING)
    assert "session.restarted" not in stage.told()


def test_a_start_while_a_crashing_engine_is_ended_forgets_its_crashes() -> None:
    stage = leaving(ReasonCode.ENGINE_UNRESPONSIVE)

    stage.play(StartRequested())
    stage.end()

    assert (stage.session.process, stage.session.restarts) == (ProcessState.STARTING, Restarts())


def test_a_start_while_an_engine_is_recycled_leaves_it_at_that() -> None:
    stage = leaving(ReasonCode.MEMORY_LIMIT)

    stage.play(StartRequested())
    stage.end()

    assert stage.session.restarts.last_reason is ReasonCode.MEMORY_LIMIT


@pytest.mark.parametrize("make", UP)
def test_a_stop_ends_a_live_engine(make: Make) -> None:
    stage = make()

    stage.play(StopRequested())

    assert len(stage.done(End)) == 1
    assert (stage.session.status, stage.session.desired) == (Status.STOPPING, Desired.STOPPED)


@pytest.mark.parametrize("make", [queued, backing_off, failed])
def test_a_stop_without_an_engine_is_done_at_once(make: Make) -> None:
    stage = make()

    stage.play(StopRequested())

    assert (stage.session.status, stage.reason) == (Status.STOPPED, ReasonCode.REQUESTED)
    assert stage.done(Dequeue) == [Dequeue()]
    assert stage.told() == ["session.status", "session.stopped"]
    assert stage.session.restarts.next_at is None


def test_a_stop_in_the_spawn_gap_ends_the_engine_once_it_is_known() -> None:
    stage = spawning()

    stage.play(StopRequested())
    assert stage.done(End) == []
    stage.launched()
    assert [end.launch.identity is not None for end in stage.done(End)] == [True]
    stage.end()

    assert stage.session.status is Status.STOPPED


@pytest.mark.parametrize("make", [Stage, banned, stopping, deleting])
def test_a_stop_of_a_session_going_or_gone_changes_nothing(make: Make) -> None:
    stage = make()
    before = stage.session

    stage.play(StopRequested())

    assert stage.session == before
    assert stage.steps == []


@pytest.mark.parametrize("code", [ReasonCode.ENGINE_UNRESPONSIVE, ReasonCode.MEMORY_LIMIT, ReasonCode.INTERNAL_ERROR])
def test_a_stop_while_an_engine_is_ended_for_another_cause_keeps_it_down(code: ReasonCode) -> None:
    stage = leaving(code)

    stage.play(StopRequested())
    stage.end()

    assert (stage.session.status, stage.reason) == (Status.STOPPED, ReasonCode.REQUESTED)
    assert (stage.session.restarts.count, stage.session.restarts.streak) == (0, 0)
    assert "session.crashed" not in stage.told()


def test_a_ban_outlives_a_start_that_was_taken_back() -> None:
    stage = connected()
    stage.report(LinkReport.BANNED, "403")

    stage.play(StartRequested(), StopRequested())
    stage.end()

    assert (stage.session.status, stage.reason) == (Status.BANNED, ReasonCode.BANNED)


@pytest.mark.parametrize("make", [queued, *UP, backing_off, failed])
def test_a_stop_until_the_next_start_keeps_the_wish(make: Make) -> None:
    stage = make()

    stage.play(StopRequested(until_start=True))
    if stage.session.process is ProcessState.STOPPING:
        stage.end()

    assert (stage.session.status, stage.session.desired) == (Status.STOPPED, Desired.RUNNING)


def test_a_plain_stop_after_a_stop_until_start_is_worth_a_write() -> None:
    stage = connected()
    stage.play(StopRequested(until_start=True))
    stage.end()

    stage.play(StopRequested())

    assert stage.session.desired is Desired.STOPPED
    assert isinstance(stage.answer, Decided)
    assert stage.answer.is_durable


@pytest.mark.parametrize("make", IDLE)
def test_a_restart_of_an_idle_session_starts_it(make: Make) -> None:
    stage = make()

    stage.play(RestartRequested())

    assert stage.done(Enqueue) == [Enqueue(cause=ReasonCode.REQUESTED)]


@pytest.mark.parametrize("make", UP)
def test_a_restart_ends_a_live_engine_and_starts_it_again(make: Make) -> None:
    stage = make()

    stage.play(RestartRequested())
    assert len(stage.done(End)) == 1
    stage.end()
    stage.boot()

    assert stage.session.process is ProcessState.RUNNING
    assert (stage.session.restarts.count, stage.session.launch_count) == (0, 2)
    assert stage.the("session.restarted").data["reason"] == "requested"


def test_a_restart_in_the_spawn_gap_waits_for_the_process() -> None:
    stage = spawning()

    stage.play(RestartRequested())
    stage.launched()
    stage.end()

    assert stage.session.process is ProcessState.STARTING
    assert stage.done(Enqueue) == [Enqueue(cause=ReasonCode.REQUESTED)]


def test_a_restart_in_the_queue_keeps_its_place() -> None:
    stage = queued()

    stage.play(RestartRequested())

    assert stage.commands == []
    assert stage.session.process is ProcessState.STARTING


@pytest.mark.parametrize(
    "make",
    [stopping, lambda: leaving(ReasonCode.MEMORY_LIMIT), lambda: leaving(ReasonCode.ENGINE_UNRESPONSIVE)],
)
def test_a_restart_while_an_engine_is_ended_starts_it_again_as_requested(make: Make) -> None:
    stage = make()

    stage.play(RestartRequested())
    stage.end()

    assert stage.session.process is ProcessState.STARTING
    assert stage.session.restarts == Restarts(last_reason=ReasonCode.REQUESTED)


@pytest.mark.parametrize("request_", [StartRequested(), RestartRequested()])
def test_a_session_being_deleted_is_not_started(request_: Request) -> None:
    stage = deleting()
    before = stage.session

    stage.play(request_)

    assert stage.answer == Refused(detail="the session is being deleted")
    assert stage.session == before
