"""Which clocks run: those still meant keep running, the others start or stop."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.session.context import Dropped
from openwa_manager.domain.session.deadlines import (
    MAX_LATE_S,
    Armed,
    Moment,
    applies,
    first_expired,
    rearm,
    rearm_missed,
)
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import LinkState, ProcessState, Restarts
from openwa_manager.domain.session.stimuli import Deadline, DeadlinePassed, LinkReport
from tests.domain.session.stage import (
    AT,
    Stage,
    a_session,
    authenticating,
    backing_off,
    booting,
    connected,
    failed,
    queued,
    running,
    showing_code,
    spawning,
    stopping,
)

NOW = Moment(at=AT, boot_s=1000.0)


def held(stage: Stage) -> dict[Deadline, float]:
    """Return the seconds left on every running deadline."""
    return {deadline: armed.due_boot_s - stage.boot_s for deadline, armed in stage.deadlines.items()}


def test_every_state_holds_the_deadlines_of_the_design() -> None:
    assert held(Stage()) == {}
    assert held(queued()) == {}
    assert held(spawning()) == {}
    assert held(booting()) == {Deadline.BOOT: 45}
    assert held(running()) == {Deadline.INITIALIZING: 90}
    assert held(showing_code()) == {Deadline.QR_EXPIRY: 60, Deadline.PAIRING_WINDOW: 180}
    assert held(authenticating()) == {Deadline.AUTHENTICATING: 120}
    assert held(connected()) == {}
    assert held(backing_off()) == {Deadline.BACKOFF: 1}
    assert held(failed()) == {Deadline.SLOW_RETRY: 1800}
    assert held(stopping()) == {}


def test_a_link_that_is_down_holds_the_deadline_of_its_cause() -> None:
    dropped, replaced, acting = connected(), connected(), connected()

    dropped.report(LinkReport.DISCONNECTED)
    replaced.report(LinkReport.REPLACED)
    acting.report(LinkReport.ACTION_REQUIRED)

    assert held(dropped) == {Deadline.LINK_DOWN: 300}
    assert held(replaced) == {Deadline.REPLACED: 300}
    assert held(acting) == {}


def test_a_link_down_for_no_known_reason_holds_none() -> None:
    session = replace(connected().session, link=LinkState.DISCONNECTED, reason=None)

    assert rearm({}, session, NOW, Policy()) == {}


def test_a_pause_without_an_end_holds_no_deadline() -> None:
    session = replace(a_session(), process=ProcessState.BACKOFF, restarts=Restarts())

    assert rearm({}, session, NOW, Policy()) == {}


def test_an_engine_that_crashed_before_must_be_steady_for_ten_minutes() -> None:
    stage = backing_off()

    stage.wait(1)
    stage.boot()

    assert held(stage)[Deadline.STEADY] == 600


def test_a_deadline_still_meant_keeps_running() -> None:
    stage = running()

    stage.wait(30)
    stage.ready()
    stage.report(LinkReport.QR_READY)

    assert held(stage) == {Deadline.INITIALIZING: 60}


def test_a_new_launch_winds_its_deadline_anew() -> None:
    stage = booting()
    first = stage.deadlines
    stage.crash()
    stage.wait(1)
    stage.slot()
    stage.launched()

    later = rearm(first, stage.session, stage.moment, stage.policy)

    assert later[Deadline.BOOT].due_boot_s == stage.boot_s + 45


def test_the_next_code_winds_its_expiry_anew_but_not_the_window() -> None:
    stage = showing_code()

    stage.wait(30)
    stage.show_code("b")

    assert held(stage) == {Deadline.QR_EXPIRY: 20, Deadline.PAIRING_WINDOW: 150}


def test_a_deadline_missed_while_nobody_watched_rings_at_once() -> None:
    stage = failed()
    stage.sleep_daemon(1_000_000)

    armed = rearm({}, stage.session, stage.moment, stage.policy)

    assert first_expired(armed, stage.boot_s) is Deadline.SLOW_RETRY


def test_nothing_has_passed_while_all_still_run() -> None:
    assert first_expired({Deadline.BOOT: Armed(anchor="1", due_boot_s=10.0)}, 9.9) is None


@given(st.dictionaries(st.sampled_from(Deadline), st.floats(0, 1000), min_size=1), st.floats(0, 1000))
def test_the_deadline_that_rang_first_comes_first(due: dict[Deadline, float], boot_s: float) -> None:
    armed = {deadline: Armed(anchor="", due_boot_s=due_s) for deadline, due_s in due.items()}

    first = first_expired(armed, boot_s)

    rung = {deadline: due_s for deadline, due_s in due.items() if due_s <= boot_s}
    assert (first is None) is (not rung)
    assert first is None or due[first] == min(rung.values())


def test_a_deadline_no_longer_held_is_dropped() -> None:
    stage = connected()
    before = stage.session

    stage.play(*(DeadlinePassed(deadline=deadline) for deadline in Deadline))

    assert isinstance(stage.answer, Dropped)
    assert stage.session == before


@pytest.mark.parametrize("make", [booting, running, authenticating])
def test_a_verdict_that_rings_late_is_wound_anew(make: Callable[[], Stage]) -> None:
    stage = make()
    before = held(stage)

    stage.sleep_host(10_000)

    assert stage.session.process in (ProcessState.STARTING, ProcessState.RUNNING)
    assert held(stage) == before


def test_a_verdict_that_rings_almost_in_time_counts() -> None:
    stage = booting()

    stage.sleep_host(45 + MAX_LATE_S)

    assert stage.session.process is ProcessState.STOPPING


def test_a_pause_that_ends_while_the_host_sleeps_is_over() -> None:
    stage = backing_off()

    stage.sleep_host(10_000)

    assert stage.session.process is ProcessState.STARTING


def test_no_link_is_judged_while_the_host_is_offline() -> None:
    stage = running()

    stage.is_offline = True
    stage.wait(0)

    assert held(stage) == {}


def test_holding_a_deadline_is_what_arms_it() -> None:
    stage = showing_code()

    meant = {deadline for deadline in Deadline if applies(stage.session, deadline, stage.moment, stage.policy)}

    assert meant == set(stage.deadlines)


def test_a_verdict_that_ran_while_the_host_slept_starts_anew_even_if_it_rings_on_time() -> None:
    stage = authenticating()
    running_on = {Deadline.AUTHENTICATING: Armed(anchor="1", due_boot_s=NOW.boot_s - 1)}

    awake = rearm_missed(running_on, stage.session, NOW, Policy())
    slept = rearm_missed(running_on, stage.session, replace(NOW, has_slept=True), Policy())

    assert first_expired(awake, NOW.boot_s) is Deadline.AUTHENTICATING
    assert slept[Deadline.AUTHENTICATING].due_boot_s == NOW.boot_s + 120
