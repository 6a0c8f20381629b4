"""What several stimuli come to, decided one after the other before anything of it is recorded or done."""

from openwa_manager.domain.session.commands import Command, Dequeue, Enqueue
from openwa_manager.domain.session.deadlines import Deadlines, Moment
from openwa_manager.domain.session.decisions import Decisions
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import ProcessState, Session
from openwa_manager.domain.session.stimuli import (
    ActivitySeen,
    Deadline,
    LogoutRequested,
    StartRequested,
    StopRequested,
)
from tests.domain.session.stage import backing_off, queued, running, showing_code


def decisions_on(session: Session, deadlines: Deadlines) -> Decisions:
    return Decisions(session=session, deadlines=deadlines, policy=Policy())


def kinds(commands: list[Command]) -> list[type[Command]]:
    return [type(command) for command in commands]


def test_steps_events_and_commands_of_all_stimuli_are_gathered_in_order() -> None:
    stage = queued()
    decisions = decisions_on(stage.session, stage.deadlines)

    for request in (StopRequested(), StartRequested()):
        assert decisions.consider(request, stage.moment) is None

    assert decisions.session.process is ProcessState.STARTING
    assert kinds(decisions.commands) == [Dequeue, Enqueue]
    assert [step.stimulus for step in decisions.steps] == ["StopRequested", "StartRequested"]
    assert [event.type for event in decisions.events][:2] == ["session.status", "session.stopped"]
    assert decisions.is_durable


def test_a_refusal_is_handed_back_and_changes_nothing() -> None:
    stage = queued()
    decisions = decisions_on(stage.session, stage.deadlines)

    refused = decisions.consider(LogoutRequested(), stage.moment)

    assert refused is not None
    assert decisions.session == stage.session
    assert not decisions.is_durable


def test_what_is_dropped_is_kept_for_the_log() -> None:
    stage = queued()
    stale = ActivitySeen(launch_id=running().launch_id)
    decisions = decisions_on(stage.session, stage.deadlines)

    decisions.consider(stale, stage.moment)

    ((stimulus, dropped),) = decisions.dropped
    assert stimulus is stale
    assert "earlier launch" in dropped.why


def test_what_is_worth_no_write_of_its_own_is_not_durable() -> None:
    stage = running()
    decisions = decisions_on(stage.session, stage.deadlines)

    decisions.consider(ActivitySeen(launch_id=stage.launch_id), stage.moment)

    assert decisions.session.last_seen_at == stage.at
    assert not decisions.is_durable


def test_a_deadline_that_has_expired_is_decided_on_too() -> None:
    stage = backing_off()
    later = Moment(at=stage.at + 61, boot_s=stage.boot_s + 61)
    decisions = decisions_on(stage.session, stage.deadlines)

    decisions.expire_deadlines(later)

    assert [step.stimulus for step in decisions.steps] == ["DeadlinePassed(backoff)"]
    assert kinds(decisions.commands) == [Enqueue]
    assert Deadline.BACKOFF not in decisions.deadlines


def test_deadlines_that_have_expired_meanwhile_are_decided_on_in_their_order() -> None:
    stage = showing_code()
    later = Moment(at=stage.at + 600, boot_s=stage.boot_s + 600)
    decisions = decisions_on(stage.session, stage.deadlines)

    decisions.expire_deadlines(later)

    assert [step.stimulus for step in decisions.steps] == [
        "DeadlinePassed(qr_expiry)",
        "DeadlinePassed(pairing_window)",
    ]
