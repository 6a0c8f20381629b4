"""Random walks: whatever happens in whatever order, the promises of the design hold after every step."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwa_manager.domain.session.context import Dropped
from openwa_manager.domain.session.lifecycle import decide
from openwa_manager.domain.session.session import (
    ProcessState,
)
from openwa_manager.domain.session.stimuli import (
    LaunchObservation,
    Request,
    RestartRequested,
    StartRequested,
    Stimulus,
    StopRequested,
)
from tests.domain.session.driver import (
    AT,
    Driver,
    a_launch,
    a_session,
)
from tests.domain.session.walks import STARTS, CheckedDriver, of_launch, placed, walks

Walk = list[tuple[Stimulus, float, float]]


@settings(max_examples=150, deadline=None)
@given(start=st.sampled_from(STARTS), walk=walks)
def test_whatever_happens_in_whatever_order_a_session_stays_whole(start: Driver, walk: Walk) -> None:
    go(start, walk)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, derandomize=False)
@given(start=st.sampled_from(STARTS), walk=walks)
def test_a_session_stays_whole_on_many_walks(start: Driver, walk: Walk) -> None:
    go(start, walk)


def go(start: Driver, walk: Walk) -> None:
    driver = CheckedDriver(session=start.session, deadlines=start.deadlines, at=start.at, boot_s=start.boot_s)

    for stimulus, pause_s, chance in walk:
        driver.chance = chance
        driver.send(placed(stimulus, driver))
        driver.wait(pause_s)
        if driver.is_gone:
            return


@given(stimulus=of_launch, process=st.sampled_from(ProcessState), number=st.none() | st.just(2))
def test_a_stale_observation_is_dropped_in_every_state(
    stimulus: LaunchObservation, process: ProcessState, number: int | None
) -> None:
    launch = None if number is None else a_launch(number, AT)
    driver = Driver(session=replace(a_session(), process=process, launch=launch))
    before = driver.session

    driver.send(stimulus)

    assert isinstance(driver.answer, Dropped)
    assert driver.session == before


@given(st.sampled_from([StartRequested(), StopRequested(), RestartRequested()]))
def test_the_same_call_gives_the_same_answer(request_: Request) -> None:
    driver = Driver()

    first, second = (decide(driver.session, request_, driver.moment, driver.policy) for _ in range(2))

    assert first == second
