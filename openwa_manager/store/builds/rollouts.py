"""The roll-outs: each with its sessions, as they were last recorded."""

import sqlite3
from typing import Final

from openwa_manager.domain.builds.builds import BuildName
from openwa_manager.domain.builds.rollouts import Expected, MoveState, Rollout, RolloutId, RolloutMove, RolloutState
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.builds.builds import DefaultBuild, save_default
from openwa_manager.store.columns import query, text

#: How many roll-outs are kept, the newest; one that is not over is kept whatever the clock says of its age.
KEPT: Final = 20

_SAVE = """
    INSERT INTO rollout (rollout_id, build, former, is_default, canary_count, state, detail, created_at, ended_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (rollout_id) DO UPDATE SET
        state = excluded.state, detail = excluded.detail, ended_at = excluded.ended_at"""
_SAVE_MOVE = """
    INSERT INTO rollout_move (rollout_id, number, session_id, state, expected, detail) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (rollout_id, number) DO UPDATE SET
        state = excluded.state, expected = excluded.expected, detail = excluded.detail"""
_FORGET = """
    DELETE FROM rollout WHERE ended_at IS NOT NULL AND rollout_id NOT IN
        (SELECT rollout_id FROM rollout ORDER BY created_at DESC, rollout_id DESC LIMIT ?)"""


def save_rollout(
    connection: sqlite3.Connection, rollout: Rollout, saved: Rollout | None, default: DefaultBuild | None = None
) -> None:
    """Record a roll-out as it is now; `saved` is what is on disk of it (None: nothing).

    `default` is the default build from now on, in the same transaction (None: it stays).
    """
    connection.execute(
        _SAVE,
        (
            rollout.rollout_id,
            rollout.build,
            rollout.former,
            int(rollout.is_default),
            rollout.canary_count,
            rollout.state.value,
            _text_or_none(rollout.detail),
            rollout.created_at,
            rollout.ended_at,
        ),
    )
    known = saved.moves if saved is not None else ()
    for number, move in enumerate(rollout.moves):
        if number >= len(known) or known[number] != move:
            connection.execute(_SAVE_MOVE, _move_row(rollout.rollout_id, number, move))
    if saved is None:
        connection.execute(_FORGET, (KEPT,))
    if default is not None:
        save_default(connection, default)


def load_rollouts(connection: sqlite3.Connection) -> list[Rollout]:
    """Return the roll-outs that are kept, oldest first."""
    rows = query(connection, "SELECT * FROM rollout ORDER BY created_at, rollout_id").fetchall()
    return [_rollout_of(connection, row) for row in rows]


def _move_row(rollout_id: RolloutId, number: int, move: RolloutMove) -> tuple[str | int | None, ...]:
    expected = None if move.expected is None else move.expected.value
    return (rollout_id, number, move.session_id, move.state.value, expected, _text_or_none(move.detail))


def _text_or_none(value: str | None) -> str | None:
    return None if value is None else text(value)


def _rollout_of(connection: sqlite3.Connection, row: sqlite3.Row) -> Rollout:
    sql = "SELECT * FROM rollout_move WHERE rollout_id = ? ORDER BY number"
    return Rollout(
        rollout_id=RolloutId(row["rollout_id"]),
        build=BuildName(row["build"]),
        former=BuildName(row["former"]),
        is_default=bool(row["is_default"]),
        canary_count=row["canary_count"],
        state=RolloutState(row["state"]),
        moves=tuple(_move_of(each) for each in query(connection, sql, (row["rollout_id"],))),
        detail=row["detail"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
    )


def _move_of(row: sqlite3.Row) -> RolloutMove:
    return RolloutMove(
        session_id=SessionId(row["session_id"]),
        state=MoveState(row["state"]),
        expected=None if row["expected"] is None else Expected(row["expected"]),
        detail=row["detail"],
    )
