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
from tests.domain.session.driver import (
    AT,
    Driver,
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


def held(driver: Driver) -> dict[Deadline, float]:
    """Return the seconds left on every running deadline."""
    return {deadline: armed.due_boot_s - driver.boot_s for deadline, armed in driver.deadlines.items()}


def test_every_state_holds_the_deadlines_of_the_design() -> None:
    assert held(Driver()) == {}
    assert held(queued()) == {}
    assert held(spawning()) == {Deadline.SLOW: 10}
    assert held(booting()) == {Deadline.SLOW: 10, Deadline.BOOT: 45}
    assert held(running()) == {Deadline.SLOW: 10, Deadline.INITIALIZING: 90}
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
    driver = backing_off()

    driver.wait(1)
    driver.boot()

    assert held(driver)[Deadline.STEADY] == 600


def test_a_deadline_still_meant_keeps_running() -> None:
    driver = running()

    driver.wait(30)
    driver.ready()
    driver.report(LinkReport.QR_READY)

    assert held(driver) == {Deadline.INITIALIZING: 60}


def test_a_new_launch_winds_its_deadline_anew() -> None:
    driver = booting()
    first = driver.deadlines
    driver.crash()
    driver.wait(1)
    driver.slot()
    driver.launched()

    later = rearm(first, driver.session, driver.moment, driver.policy)

    assert later[Deadline.BOOT].due_boot_s == driver.boot_s + 45


def test_the_next_code_winds_its_expiry_anew_but_not_the_window() -> None:
    driver = showing_code()

    driver.wait(30)
    driver.show_code("b")

    assert held(driver) == {Deadline.QR_EXPIRY: 20, Deadline.PAIRING_WINDOW: 150}


def test_a_deadline_missed_while_nobody_watched_expires_at_once() -> None:
    driver = failed()
    driver.sleep_daemon(1_000_000)

    armed = rearm({}, driver.session, driver.moment, driver.policy)

    assert first_expired(armed, driver.boot_s) is Deadline.SLOW_RETRY


def test_nothing_has_passed_while_all_still_run() -> None:
    assert first_expired({Deadline.BOOT: Armed(anchor="1", due_boot_s=10.0)}, 9.9) is None


@given(st.dictionaries(st.sampled_from(Deadline), st.floats(0, 1000), min_size=1), st.floats(0, 1000))
def test_the_deadline_that_rang_first_comes_first(due: dict[Deadline, float], boot_s: float) -> None:
    armed = {deadline: Armed(anchor="", due_boot_s=due_s) for deadline, due_s in due.items()}

    first = first_expired(armed, boot_s)

    expired = {deadline: due_s for deadline, due_s in due.items() if due_s <= boot_s}
    assert (first is None) is (not expired)
    assert first is None or due[first] == min(expired.values())


def test_a_deadline_no_longer_held_is_dropped() -> None:
    driver = connected()
    before = driver.session

    driver.send(*(DeadlinePassed(deadline=deadline) for deadline in Deadline))

    assert isinstance(driver.answer, Dropped)
    assert driver.session == before


@pytest.mark.parametrize("make", [booting, running, authenticating])
def test_a_verdict_that_rings_late_is_wound_anew(make: Callable[[], Driver]) -> None:
    driver = make()
    before = held(driver)

    driver.sleep_host(10_000)

    assert driver.session.process in (ProcessState.STARTING, ProcessState.RUNNING)
    assert held(driver) == before


def test_a_verdict_that_rings_almost_in_time_counts() -> None:
    driver = booting()

    driver.sleep_host(45 + MAX_LATE_S)

    assert driver.session.process is ProcessState.STOPPING


def test_a_pause_that_ends_while_the_host_sleeps_is_over() -> None:
    driver = backing_off()

    driver.sleep_host(10_000)

    assert driver.session.process is ProcessState.STARTING


def test_no_link_is_judged_while_the_host_is_offline() -> None:
    driver = running()

    driver.is_offline = True
    driver.wait(0)

    assert held(driver) == {Deadline.SLOW: 10}


def test_holding_a_deadline_is_what_arms_it() -> None:
    driver = showing_code()

    meant = {deadline for deadline in Deadline if applies(driver.session, deadline, driver.moment, driver.policy)}

    assert meant == set(driver.deadlines)


def test_a_verdict_that_ran_while_the_host_slept_starts_anew_even_if_it_rings_on_time() -> None:
    driver = authenticating()
    running_on = {Deadline.AUTHENTICATING: Armed(anchor="1", due_boot_s=NOW.boot_s - 1)}

    awake = rearm_missed(running_on, driver.session, NOW, Policy())
    slept = rearm_missed(running_on, driver.session, replace(NOW, has_slept=True), Policy())

    assert first_expired(awake, NOW.boot_s) is Deadline.AUTHENTICATING
    assert slept[Deadline.AUTHENTICATING].due_boot_s == NOW.boot_s + 120


def test_a_pause_is_no_longer_than_it_can_be_meant_when_the_wall_clock_was_set_back_meanwhile() -> None:
    driver = backing_off()
    driver.at -= 86_400

    driver.sleep_daemon(0)
    driver.resume(is_alive=False)

    assert held(driver)[Deadline.BACKOFF] <= Policy().restart.pause_max_s
