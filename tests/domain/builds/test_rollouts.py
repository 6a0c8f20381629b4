"""Whatever sessions are good or bad, a roll-out comes to one of its two ends, and a bad one back to where all were."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.builds.builds import HOME_BUILD, BuildName
from openwa_manager.domain.builds.rollouts import (
    Expected,
    MoveState,
    Rollout,
    RolloutId,
    RolloutMove,
    RolloutState,
    Verdict,
    all_well,
    begun,
    build_of,
    cancelled,
    expected_back,
    expected_of,
    has_fallen,
    in_order,
    joined,
    next_move,
    settled,
    verdict_on,
)
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import (
    Desired,
    Launch,
    LaunchId,
    LinkState,
    ProcessState,
    Restarts,
    Session,
    SessionId,
    Spec,
)

NEW, OLD = BuildName("0.23.1"), BuildName("0.23.0")


def rollout_of(*session_ids: str, canary_count: int = 1) -> Rollout:
    return Rollout(
        rollout_id=RolloutId("rol_1"),
        build=NEW,
        former=OLD,
        is_default=True,
        canary_count=canary_count,
        created_at=1.0,
        moves=tuple(RolloutMove(session_id=SessionId(each)) for each in session_ids),
    )


def session_of(
    process: ProcessState = ProcessState.RUNNING,
    link: LinkState = LinkState.CONNECTED,
    build: str | None = NEW,
    desired: Desired = Desired.RUNNING,
    session_id: str = "a",
) -> Session:
    launch = Launch(
        launch_id=LaunchId("l"), number=1, port=1, secret="s", cause=ReasonCode.REQUESTED, launched_at=1.0, build=build
    )
    return Session(
        session_id=SessionId(session_id),
        spec=Spec(engine="openwa"),
        engine_key="k",
        created_at=1.0,
        updated_at=1.0,
        desired=desired,
        process=process,
        link=link,
        launch=launch if process in (ProcessState.RUNNING, ProcessState.STARTING, ProcessState.STOPPING) else None,
    )


def drive(rollout: Rollout, bad: frozenset[str]) -> tuple[Rollout, list[str]]:
    """Return the roll-out at its end, and the sessions that were restarted, in order."""
    touched: list[str] = []
    while not rollout.is_over:
        move = next_move(rollout)
        if move is None:
            rollout = all_well(rollout, 2.0)
            continue
        touched.append(move.session_id)
        is_back = rollout.state is RolloutState.HALTED
        rollout = begun(rollout, move.session_id, Expected.CONNECTED)
        rollout = settled(
            rollout, move.session_id, is_well=is_back or move.session_id not in bad, detail="it is restarting"
        )
    return rollout, touched


@given(
    count=st.integers(0, 8),
    canary_count=st.integers(1, 4),
    bad=st.frozensets(st.integers(0, 7).map(str), max_size=3),
)
def test_it_ends_with_all_on_one_build(count: int, canary_count: int, bad: frozenset[str]) -> None:
    rollout, touched = drive(rollout_of(*map(str, range(count)), canary_count=canary_count), bad)

    first_bad = min((int(each) for each in bad if int(each) < count), default=None)
    assert rollout.ended_at == 2.0
    if first_bad is None:
        assert rollout.state is RolloutState.DONE
        assert {each.state for each in rollout.moves} <= {MoveState.MOVED}
        assert len(touched) == count
    else:
        assert rollout.state is RolloutState.ROLLED_BACK
        assert rollout.detail == f"{first_bad}: it is restarting"
        assert rollout.moved == frozenset()
        # Nobody behind the bad one was touched, and it is the first that goes back.
        assert touched == [*map(str, range(first_bad + 1)), *map(str, range(first_bad, -1, -1))]


def test_what_was_under_way_when_a_daemon_ended_comes_first() -> None:
    rollout = begun(rollout_of("a", "b", canary_count=2), SessionId("b"), Expected.UP)

    move = next_move(rollout)

    assert move is not None
    assert (move.session_id, move.state, move.expected) == ("b", MoveState.MOVING, Expected.UP)
    assert rollout.moved == {"b"}


def test_a_person_calls_it_off_once() -> None:
    rollout = settled(begun(rollout_of("a", "b"), SessionId("a"), Expected.CONNECTED), SessionId("a"), is_well=True)

    undone = cancelled(rollout, "called off")

    assert undone is not None
    assert (undone.state, undone.detail) == (RolloutState.HALTED, "called off")
    assert cancelled(undone, "again") is None
    ended, touched = drive(undone, frozenset())
    assert (ended.state, touched) == (RolloutState.ROLLED_BACK, ["a"])
    assert cancelled(ended, "again") is None
    assert next_move(ended) is None
    assert all_well(ended, 3.0).state is RolloutState.ROLLED_BACK


def test_it_is_not_called_off_once_its_sessions_pin_its_build() -> None:
    of_all = all_well(rollout_of("a", canary_count=0), 2.0)
    named = replace(of_all, is_default=False)

    def moved(rollout: Rollout) -> Rollout:
        return settled(begun(rollout, SessionId("a"), Expected.CONNECTED), SessionId("a"), is_well=True)

    assert cancelled(named, "called off") is not None
    assert cancelled(moved(named), "called off") is None
    assert cancelled(moved(of_all), "called off") is not None


def test_one_that_was_well_for_a_while_goes_back_first() -> None:
    rollout = rollout_of("a", "b", canary_count=2)
    for each in ("a", "b"):
        begun_one = begun(rollout, SessionId(each), Expected.CONNECTED)
        rollout = settled(begun_one, SessionId(each), is_well=True)

    halted = settled(rollout, SessionId("a"), is_well=False, detail="it is restarting")

    assert (halted.state, halted.detail) == (RolloutState.HALTED, "a: it is restarting")
    assert drive(halted, frozenset())[1] == ["a", "b"]


def test_one_that_does_not_come_back_from_its_way_back_is_told_of() -> None:
    lost = settled(
        begun(rollout_of("a"), SessionId("a"), Expected.CONNECTED), SessionId("a"), is_well=False, detail="x"
    )
    going = begun(lost, SessionId("a"), Expected.CONNECTED)

    assert settled(going, SessionId("a"), is_well=True).moves[0].detail == "x"
    assert settled(going, SessionId("a"), is_well=False, detail="gone").moves[0].detail == "gone"
    assert settled(going, SessionId("a"), is_well=False).moves[0].state is MoveState.RETURNED


def test_sessions_that_come_meanwhile_are_added_once() -> None:
    rollout = joined(rollout_of("a"), [SessionId("a"), SessionId("b")])

    assert [each.session_id for each in rollout.moves] == ["a", "b"]


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (session_of(), Expected.CONNECTED),
        (session_of(link=LinkState.QR_READY), Expected.LINKING),
        (session_of(link=LinkState.UNKNOWN), Expected.LINKING),
        (replace(session_of(link=LinkState.UNKNOWN), phone_number="491"), Expected.CONNECTED),
        (replace(session_of(ProcessState.STARTING), last_connected_at=1.0), Expected.CONNECTED),
        (
            replace(session_of(link=LinkState.UNKNOWN), phone_number="491", pairing_started_at=1.0),
            Expected.LINKING,
        ),
        (session_of(link=LinkState.DISCONNECTED), Expected.UP),
        (session_of(ProcessState.FAILED, LinkState.UNKNOWN), Expected.NOTHING),
        (session_of(ProcessState.BACKOFF, LinkState.UNKNOWN), Expected.NOTHING),
        (session_of(desired=Desired.STOPPED), Expected.NOTHING),
    ],
)
def test_a_session_must_come_back_to_what_it_was(session: Session, expected: Expected) -> None:
    assert expected_of(session) is expected


@pytest.mark.parametrize(
    ("was", "session", "expected"),
    [
        (Expected.CONNECTED, session_of(ProcessState.BACKOFF, LinkState.UNKNOWN), Expected.CONNECTED),
        (Expected.NOTHING, session_of(), Expected.CONNECTED),
        (None, session_of(link=LinkState.QR_READY), Expected.LINKING),
        (Expected.NOTHING, session_of(build=OLD), Expected.NOTHING),
        (Expected.NOTHING, session_of(ProcessState.BACKOFF, LinkState.UNKNOWN), Expected.NOTHING),
        (Expected.NOTHING, session_of(ProcessState.STOPPED, desired=Desired.STOPPED), Expected.NOTHING),
    ],
)
def test_a_session_that_was_started_meanwhile_must_come_back_to_what_it_is(
    was: Expected | None, session: Session, expected: Expected
) -> None:
    move = RolloutMove(session_id=session.session_id, state=MoveState.MOVED, expected=was)

    assert expected_back(move, session, OLD) is expected


@pytest.mark.parametrize(
    ("session", "expected", "verdict"),
    [
        (session_of(), Expected.CONNECTED, Verdict.WELL),
        (session_of(build=OLD), Expected.CONNECTED, Verdict.PENDING),
        (session_of(ProcessState.STARTING), Expected.CONNECTED, Verdict.PENDING),
        (session_of(ProcessState.STOPPING), Expected.CONNECTED, Verdict.PENDING),
        (session_of(link=LinkState.DISCONNECTED), Expected.CONNECTED, Verdict.PENDING),
        (session_of(link=LinkState.DISCONNECTED), Expected.UP, Verdict.WELL),
        (session_of(link=LinkState.QR_READY), Expected.CONNECTED, Verdict.LOST),
        (session_of(link=LinkState.QR_READY), Expected.LINKING, Verdict.WELL),
        (session_of(ProcessState.BACKOFF, LinkState.UNKNOWN), Expected.CONNECTED, Verdict.LOST),
        (session_of(ProcessState.FAILED, LinkState.UNKNOWN), Expected.LINKING, Verdict.LOST),
        (session_of(ProcessState.STOPPED, LinkState.BANNED), Expected.CONNECTED, Verdict.LOST),
        (session_of(ProcessState.STOPPED, desired=Desired.STOPPED), Expected.CONNECTED, Verdict.WELL),
        (session_of(ProcessState.FAILED, LinkState.UNKNOWN), Expected.NOTHING, Verdict.WELL),
        (replace(session_of(), restarts=Restarts(streak=1)), Expected.CONNECTED, Verdict.WELL),
        (replace(session_of(ProcessState.STARTING), restarts=Restarts(streak=1)), Expected.CONNECTED, Verdict.LOST),
    ],
)
def test_it_is_well_once_it_is_that_on_the_new_build(session: Session, expected: Expected, verdict: Verdict) -> None:
    assert verdict_on(session, expected, NEW) is verdict


def test_one_that_crashes_later_has_fallen_though_it_is_well_again() -> None:
    crashed = replace(session_of(), restarts=Restarts(streak=1))

    assert has_fallen(crashed, Expected.CONNECTED, NEW)
    assert has_fallen(session_of(ProcessState.FAILED, LinkState.UNKNOWN), Expected.CONNECTED, NEW)
    assert not has_fallen(session_of(), Expected.CONNECTED, NEW)
    assert not has_fallen(crashed, Expected.NOTHING, NEW)
    assert not has_fallen(replace(crashed, desired=Desired.STOPPED), Expected.CONNECTED, NEW)


def test_an_engine_that_was_launched_before_there_were_builds_runs_the_settings_own() -> None:
    assert build_of(session_of(build=None)) == HOME_BUILD
    assert build_of(session_of(ProcessState.FAILED)) is None
    assert verdict_on(session_of(build=None), Expected.CONNECTED, HOME_BUILD) is Verdict.WELL


def test_a_session_that_is_connected_is_the_first_to_be_moved() -> None:
    sessions = [
        session_of(ProcessState.FAILED, session_id="a"),
        session_of(link=LinkState.QR_READY, session_id="b"),
        session_of(session_id="d"),
        session_of(session_id="c"),
    ]

    assert in_order(sessions) == ["c", "d", "b", "a"]
    assert in_order([replace(sessions[0], desired=Desired.STOPPED)]) == ["a"]
