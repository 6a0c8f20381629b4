"""Random walks: whatever happens in whatever order, the promises of the design hold after every step."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwa_manager.domain.session.context import Dropped
from openwa_manager.domain.session.decisions import Decisions, session_after_life
from openwa_manager.domain.session.lifecycle import decide
from openwa_manager.domain.session.session import (
    LaunchId,
    ProcessState,
)
from openwa_manager.domain.session.stimuli import (
    ActivitySeen,
    LaunchObservation,
    Observation,
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
from tests.domain.session.walks import STARTS, CheckedDriver, of_launch, placed, walks, words

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


@settings(max_examples=150, deadline=None)
@given(
    start=st.sampled_from(STARTS),
    walk=walks,
    said=st.lists(words, max_size=3),
    is_offline=st.booleans(),
    has_slept=st.booleans(),
)
def test_what_is_noted_as_a_sign_of_life_is_what_would_have_been_decided(
    *, start: Driver, walk: Walk, said: list[Stimulus], is_offline: bool, has_slept: bool
) -> None:
    driver = CheckedDriver(session=start.session, deadlines=start.deadlines, at=start.at, boot_s=start.boot_s)
    for stimulus, pause_s, chance in walk:
        driver.chance = chance
        driver.send(placed(stimulus, driver))
        driver.wait(pause_s)
        if driver.is_gone:
            return
    moment = replace(driver.moment, is_offline=is_offline, has_slept=has_slept)
    seen = [placed(each, driver) for each in (ActivitySeen(launch_id=LaunchId("here")), *said)]
    observations = [each for each in seen if isinstance(each, Observation)]

    noted = session_after_life(driver.session, driver.deadlines, observations, moment, driver.policy)

    if noted is not None:
        decisions = Decisions(session=driver.session, deadlines=driver.deadlines, policy=driver.policy)
        for each in observations:
            decisions.consider(each, moment)
        assert decisions.session == noted
        assert (decisions.steps, decisions.events, decisions.commands) == ([], [], [])
        assert (decisions.is_durable, decisions.is_gone, decisions.deadlines) == (False, False, driver.deadlines)
