"""What several stimuli come to, decided one after the other before anything of it is recorded or done."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from openwa_manager.domain.session.commands import Command, Dequeue, Enqueue
from openwa_manager.domain.session.deadlines import Armed, Deadlines, Moment
from openwa_manager.domain.session.decisions import Decisions, Moved, session_after_life
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import LaunchId, LinkState, ProcessState, Restarts, Session
from openwa_manager.domain.session.stimuli import (
    ActivitySeen,
    Deadline,
    LaunchObservation,
    LinkReport,
    LinkReported,
    LogoutRequested,
    SilenceNoticed,
    StartRequested,
    StopRequested,
)
from tests.domain.session.driver import AT, Driver, a_launch, backing_off, connected, queued, running, showing_code


def decisions_on(session: Session, deadlines: Deadlines) -> Decisions:
    return Decisions(session=session, deadlines=deadlines, policy=Policy())


def kinds(commands: list[Command]) -> list[type[Command]]:
    return [type(command) for command in commands]


def test_steps_events_and_commands_of_all_stimuli_are_gathered_in_order() -> None:
    driver = queued()
    decisions = decisions_on(driver.session, driver.deadlines)

    for request in (StopRequested(), StartRequested()):
        assert decisions.consider(request, driver.moment) is None

    assert decisions.session.process is ProcessState.STARTING
    assert kinds(decisions.commands) == [Dequeue, Enqueue]
    assert [step.stimulus for step in decisions.steps] == ["StopRequested", "StartRequested"]
    assert [event.type for event in decisions.events][:2] == ["session.status", "session.stopped"]
    assert decisions.is_durable


def test_a_refusal_is_handed_back_and_changes_nothing() -> None:
    driver = queued()
    decisions = decisions_on(driver.session, driver.deadlines)

    refused = decisions.consider(LogoutRequested(), driver.moment)

    assert refused is not None
    assert decisions.session == driver.session
    assert not decisions.is_durable


def test_what_is_dropped_is_kept_for_the_log() -> None:
    driver = queued()
    stale = ActivitySeen(launch_id=running().launch_id)
    decisions = decisions_on(driver.session, driver.deadlines)

    decisions.consider(stale, driver.moment)

    ((stimulus, dropped),) = decisions.dropped
    assert stimulus is stale
    assert "earlier launch" in dropped.why


def test_what_is_worth_no_write_of_its_own_is_not_durable() -> None:
    driver = running()
    decisions = decisions_on(driver.session, driver.deadlines)

    decisions.consider(ActivitySeen(launch_id=driver.launch_id), driver.moment)

    assert decisions.session.last_seen_at == driver.at
    assert not decisions.is_durable


def test_a_deadline_that_has_expired_is_decided_on_too() -> None:
    driver = backing_off()
    later = Moment(at=driver.at + 61, boot_s=driver.boot_s + 61)
    decisions = decisions_on(driver.session, driver.deadlines)

    decisions.expire_deadlines(later)

    assert [step.stimulus for step in decisions.steps] == ["DeadlinePassed(backoff)"]
    assert kinds(decisions.commands) == [Enqueue]
    assert Deadline.BACKOFF not in decisions.deadlines


def test_deadlines_that_have_expired_meanwhile_are_decided_on_in_their_order() -> None:
    driver = showing_code()
    later = Moment(at=driver.at + 600, boot_s=driver.boot_s + 600)
    decisions = decisions_on(driver.session, driver.deadlines)

    decisions.expire_deadlines(later)

    assert [step.stimulus for step in decisions.steps] == [
        "DeadlinePassed(qr_expiry)",
        "DeadlinePassed(pairing_window)",
    ]


def life_of(driver: Driver, *, number: str | None = None) -> list[LaunchObservation]:
    launch_id = driver.launch_id
    report = LinkReported(launch_id=launch_id, link=LinkReport.CONNECTED, phone_number=number)
    return [ActivitySeen(launch_id=launch_id), report]


def test_a_sign_of_life_of_a_settled_session_is_told_without_a_decision() -> None:
    driver = connected()

    alive = session_after_life(driver.session, driver.deadlines, life_of(driver), driver.moment, Policy())

    assert alive == replace(driver.session, last_seen_at=driver.at)


@pytest.mark.parametrize(
    "change",
    [
        lambda driver: replace(driver.session, link=LinkState.DISCONNECTED),
        lambda driver: replace(driver.session, process=ProcessState.STOPPING),
        lambda driver: replace(driver.session, launch=None),
        lambda driver: replace(driver.session, launch=a_launch(9, AT)),
        lambda driver: replace(driver.session, phone_number="other"),
        lambda driver: replace(driver.session, restarts=Restarts(streak=1)),
    ],
)
def test_of_any_other_session_it_is_decided(change: Callable[[Driver], Session]) -> None:
    driver = connected()
    session = change(driver)

    assert session_after_life(session, driver.deadlines, life_of(driver, number="1"), driver.moment, Policy()) is None


def test_what_tells_more_than_life_or_nothing_is_decided() -> None:
    driver = connected()
    seen, report = life_of(driver)
    lost = LinkReported(launch_id=driver.launch_id, link=LinkReport.DISCONNECTED)
    stale = replace(seen, launch_id=LaunchId("earlier"))
    silent = SilenceNoticed(launch_id=driver.launch_id, limit_s=120.0)

    for observations in ([seen, lost], [seen, stale], [seen, silent], [report], []):
        assert session_after_life(driver.session, {}, observations, driver.moment, Policy()) is None
    armed = {Deadline.STEADY: Armed(anchor="", due_boot_s=driver.boot_s)}
    assert session_after_life(driver.session, armed, [seen], driver.moment, Policy()) is None


def test_a_code_is_expected_once_of_each_launch_and_again_when_its_process_is_known() -> None:
    known = running().session
    assert known.launch is not None
    begun = replace(known, process=ProcessState.STARTING, launch=replace(known.launch, identity=None))
    waiting = replace(begun, process=ProcessState.BACKOFF, launch=None)

    assert Moved(waiting, begun).expects_code
    assert Moved(begun, known).expects_code
    assert not Moved(known, replace(known, last_seen_at=5.0)).expects_code


def test_no_code_is_expected_of_an_engine_that_ends_or_is_connected() -> None:
    known = running().session

    for after in (replace(known, process=ProcessState.STOPPING), replace(known, link=LinkState.CONNECTED)):
        assert not Moved(known, after).expects_code
        assert Moved(after, known).expects_code
