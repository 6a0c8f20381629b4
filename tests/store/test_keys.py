import sqlite3
from dataclasses import replace

import pytest

from openwa_manager.domain.session import SessionId
from openwa_manager.store.keys import ApiKey, Role, find_key, load_keys, new_key, remove_key, save_key

NOW = 1000.0


def a_key(connection: sqlite3.Connection, expires_at: float | None = None) -> tuple[ApiKey, str]:
    key_id, key_text = new_key()
    key = ApiKey(key_id=key_id, name="backend é", role=Role.OPERATOR, sessions=("user_1_*",), qr=True, created_at=1.0)
    key = replace(key, expires_at=expires_at)
    save_key(connection, key, key_text)
    return key, key_text


def test_a_key_is_found_by_its_text(connection: sqlite3.Connection) -> None:
    key, key_text = a_key(connection)

    assert key_text.startswith(f"owm_{key.key_id}_")
    assert find_key(connection, key_text, NOW) == key
    assert load_keys(connection) == [key]


def test_the_text_of_a_key_is_not_on_disk(connection: sqlite3.Connection) -> None:
    _, key_text = a_key(connection)
    secret = key_text.rpartition("_")[2]

    assert secret not in "\n".join(connection.iterdump())


@pytest.mark.parametrize(
    "wrong", ["", "owm_", "owm_x_y", "Bearer x", "owm_000000000000_" + "A" * 43, "owm_é_" + "A" * 43]
)
def test_a_wrong_text_finds_nothing(connection: sqlite3.Connection, wrong: str) -> None:
    a_key(connection)

    assert find_key(connection, wrong, NOW) is None


def test_a_right_id_with_a_wrong_secret_finds_nothing(connection: sqlite3.Connection) -> None:
    _, key_text = a_key(connection)
    changed = key_text[:-1] + ("A" if key_text[-1] != "A" else "B")

    assert find_key(connection, changed, NOW) is None


def test_an_expired_key_finds_nothing(connection: sqlite3.Connection) -> None:
    _, key_text = a_key(connection, expires_at=NOW)

    assert find_key(connection, key_text, NOW - 1) is not None
    assert find_key(connection, key_text, NOW) is None


def test_a_revoked_key_finds_nothing(connection: sqlite3.Connection) -> None:
    key, key_text = a_key(connection)

    assert remove_key(connection, key.key_id)
    assert find_key(connection, key_text, NOW) is None
    assert not remove_key(connection, key.key_id)


def test_a_key_sees_the_sessions_its_patterns_name(connection: sqlite3.Connection) -> None:
    key, _ = a_key(connection)

    assert key.may_see(SessionId("user_1_session_a"))
    assert not key.may_see(SessionId("user_10_session_a"))


def test_each_role_may_what_the_lesser_ones_may() -> None:
    assert [[role.includes(other) for other in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
