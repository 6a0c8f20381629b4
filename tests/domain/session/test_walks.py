"""Random walks: whatever happens in whatever order, the promises of the design hold after every step."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwa_manager.domain.session.context import Context, move
from openwa_manager.domain.session.lifecycle import TRANSITIONS, Dropped
from openwa_manager.domain.session.session import (
    ProcessState,
)
from openwa_manager.domain.session.stimuli import (
    LaunchObservation,
    Observation,
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


@given(st.sampled_from(sorted(TRANSITIONS, key=lambda kind: kind.__name__)))
def test_every_row_of_the_table_has_its_move(kind: type[Stimulus]) -> None:
    assert move.dispatch(kind) is not move.dispatch(object)


def test_every_stimulus_has_its_row() -> None:
    kinds = _leaves(Request) | _leaves(Observation)

    assert kinds == {kind.__name__ for kind in TRANSITIONS}


def _leaves(kind: type[object]) -> set[str]:
    """Return the names of the last classes below one; a class with slots is made twice, so only its name counts."""
    below = _below(kind)
    return {each.__name__ for each in below} - {each.__name__ for each in below if each.__subclasses__()}


def _below(kind: type[object]) -> set[type[object]]:
    return {each for child in kind.__subclasses__() for each in (child, *_below(child))}


def test_what_no_move_is_registered_for_is_a_mistake_of_ours() -> None:
    stage = Stage()
    context = Context(session=stage.session, moment=stage.moment, policy=stage.policy)

    with pytest.raises(NotImplementedError, match="Request"):
        move(Request(), context)


@given(st.sampled_from([StartRequested(), StopRequested(), RestartRequested()]))
def test_the_same_call_gives_the_same_answer(request_: Request) -> None:
    stage = Stage()
    context = Context(session=stage.session, moment=stage.moment, policy=stage.policy)

    assert move(request_, context) == move(request_, context)
