import sqlite3
from collections.abc import Sequence

import pytest

from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.sessions.engine_events import KEPT_S, SLICE, EngineKey, RepeatedError, forget_old
from openwa_manager.store.sessions.engine_events import remember as remember_keys

A, B = SessionId("a"), SessionId("b")


def remember(connection: sqlite3.Connection, session_id: SessionId, keys: Sequence[str], at: float) -> None:
    remember_keys(connection, [EngineKey(session_id, key, at) for key in keys])


def test_a_repeat_is_known_by_session_and_key(connection: sqlite3.Connection) -> None:
    remember(connection, A, ["k1", "k2"], 1.0)
    remember(connection, B, ["k1"], 1.0)

    with pytest.raises(RepeatedError) as repeated:
        remember(connection, A, ["k2", "k3"], 2.0)

    assert repeated.value.keys == {"k2"}


def test_a_key_is_forgotten_in_time(connection: sqlite3.Connection) -> None:
    remember(connection, A, ["old"], 1.0)
    remember(connection, A, ["young"], 3.0)

    assert forget_old(connection, KEPT_S + 2.0) == 1
    assert forget_old(connection, KEPT_S + 2.0) == 0

    remember(connection, A, ["old"], 4.0)
    with pytest.raises(RepeatedError):
        remember(connection, A, ["young"], 4.0)


def test_old_keys_go_a_slice_at_a_time(connection: sqlite3.Connection) -> None:
    remember(connection, A, [f"k{number}" for number in range(SLICE + 1)], 1.0)

    assert [forget_old(connection, KEPT_S + 2.0) for _ in range(3)] == [SLICE, 1, 0]
