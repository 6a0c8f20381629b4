"""Random walks: whatever happens in whatever order, the promises of the design hold after every step."""

from dataclasses import replace

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
from tests.domain.session.stage import (
    AT,
    Stage,
    a_launch,
    a_session,
)
from tests.domain.session.walks import STARTS, CheckedStage, of_launch, placed, walks


@settings(max_examples=500, deadline=None)
@given(start=st.sampled_from(STARTS), walk=walks)
def test_whatever_happens_in_whatever_order_a_session_stays_whole(
    start: Stage, walk: list[tuple[Stimulus, float, float]]
) -> None:
    stage = CheckedStage(session=start.session, deadlines=start.deadlines, at=start.at, boot_s=start.boot_s)

    for stimulus, pause_s, chance in walk:
        stage.chance = chance
        stage.play(placed(stimulus, stage))
        stage.wait(pause_s)
        if stage.is_gone:
            return


@given(stimulus=of_launch, process=st.sampled_from(ProcessState), number=st.none() | st.just(2))
def test_a_stale_observation_is_dropped_in_every_state(
    stimulus: LaunchObservation, process: ProcessState, number: int | None
) -> None:
    launch = None if number is None else a_launch(number, AT)
    stage = Stage(session=replace(a_session(), process=process, launch=launch))
    before = stage.session

    stage.play(stimulus)

    assert isinstance(stage.answer, Dropped)
    assert stage.session == before


@given(st.sampled_from([StartRequested(), StopRequested(), RestartRequested()]))
def test_the_same_call_gives_the_same_answer(request_: Request) -> None:
    stage = Stage()

    first, second = (decide(stage.session, request_, stage.moment, stage.policy) for _ in range(2))

    assert first == second
