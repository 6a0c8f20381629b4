"""Builds and roll-outs come back as they were recorded."""

import sqlite3
from dataclasses import replace

from openwa_manager.domain.builds.builds import HOME_BUILD, Build, BuildName, BuildState
from openwa_manager.domain.builds.rollouts import (
    Expected,
    MoveState,
    Rollout,
    RolloutId,
    RolloutMove,
    RolloutState,
    begun,
)
from openwa_manager.domain.session.session import LaunchId, SessionId
from openwa_manager.store.builds.builds import DefaultBuild, load_builds, load_default, remove_build, save_build
from openwa_manager.store.builds.rollouts import KEPT, load_rollouts, save_rollout

BUILD = Build(
    name=BuildName("0.23.1"),
    state=BuildState.INSTALLING,
    source="/srv/openwa",
    install_id=LaunchId("i1"),
    created_at=1.0,
)
ROLLOUT = Rollout(
    rollout_id=RolloutId("rol_1"),
    build=BuildName("0.23.1"),
    former=HOME_BUILD,
    is_default=True,
    canary_count=2,
    created_at=1.0,
    moves=(RolloutMove(session_id=SessionId("a")), RolloutMove(session_id=SessionId("b"))),
)


def test_a_build_comes_back_as_it_was(connection: sqlite3.Connection) -> None:
    ready = replace(
        BUILD, state=BuildState.READY, version="0.23.1", warnings=("new \ud83d",), size_bytes=5, installed_at=2.0
    )

    save_build(connection, BUILD)
    save_build(connection, ready)

    assert load_builds(connection) == [replace(ready, warnings=("new ?",))]
    remove_build(connection, BUILD.name)
    assert load_builds(connection) == []


def test_the_settings_own_build_is_the_default_at_first(connection: sqlite3.Connection) -> None:
    assert load_default(connection) == DefaultBuild(HOME_BUILD, None)


def test_a_roll_out_comes_back_as_it_was_with_its_default(connection: sqlite3.Connection) -> None:
    moving = begun(ROLLOUT, SessionId("a"), Expected.CONNECTED)
    moves = (replace(moving.moves[0], state=MoveState.MOVED), replace(moving.moves[1], detail="x"))
    done = replace(
        moving, state=RolloutState.DONE, ended_at=2.0, moves=(*moves, RolloutMove(session_id=SessionId("c")))
    )

    save_rollout(connection, ROLLOUT, None)
    save_rollout(connection, moving, ROLLOUT)
    assert load_rollouts(connection) == [moving]
    save_rollout(connection, done, moving, DefaultBuild(BuildName("0.23.1"), HOME_BUILD))

    assert load_rollouts(connection) == [done]
    assert load_default(connection) == DefaultBuild(BuildName("0.23.1"), HOME_BUILD)


def test_only_the_newest_roll_outs_are_kept_and_one_that_is_not_over(connection: sqlite3.Connection) -> None:
    under_way = replace(ROLLOUT, rollout_id=RolloutId("rol_x"), created_at=0.0)  # as when the clock was set back
    save_rollout(connection, under_way, None)
    for number in range(1, KEPT + 3):
        ended = replace(ROLLOUT, rollout_id=RolloutId(f"rol_{number:03}"), created_at=number, ended_at=99.0)
        save_rollout(connection, ended, None)

    assert [each.created_at for each in load_rollouts(connection)] == [0, *range(3, KEPT + 3)]
    assert connection.execute("SELECT count(*) FROM rollout_move").fetchone() == (2 * (KEPT + 1),)
