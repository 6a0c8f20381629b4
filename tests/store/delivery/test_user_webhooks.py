import sqlite3
from dataclasses import replace

from openwa_manager.domain.delivery.user_webhooks import UserWebhook
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.delivery.user_webhooks import (
    find_webhook,
    keep_config,
    load_changes,
    load_copy,
    remove_webhooks,
    save_copy,
    save_webhooks,
    webhooks_of,
)

A, B = SessionId("a"), SessionId("b")
WEBHOOK = UserWebhook(
    token="t1",
    session_id=A,
    url="https://example.org/hook",
    webhook_id="w1",
    secret="s",
    relay_secret="r",
    record={"id": "w1", "events": ["*"], "half": "\ud83d"},
    is_deleted=True,
)


def add_session(connection: sqlite3.Connection, session_id: SessionId) -> None:
    """Record a session of which nothing matters but that it is there."""
    columns = connection.execute("PRAGMA table_info(session)").fetchall()
    needed = {name: 0 if kind in ("INTEGER", "REAL") else "{}" for _, name, kind, is_needed, *_ in columns if is_needed}
    row = {**needed, "session_id": session_id}
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO session ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 (ours)


def test_a_webhook_comes_back_as_it_was_saved_last(connection: sqlite3.Connection) -> None:
    add_session(connection, A)
    save_webhooks(connection, [replace(WEBHOOK, webhook_id=None, url="http://x", record={})])
    save_webhooks(connection, [WEBHOOK])

    assert find_webhook(connection, "t1") == replace(WEBHOOK, record={"id": "w1", "events": ["*"], "half": "?"})
    assert find_webhook(connection, "t2") is None


def test_the_newest_webhook_of_a_session_comes_first(connection: sqlite3.Connection) -> None:
    add_session(connection, A)
    add_session(connection, B)
    save_webhooks(connection, [WEBHOOK, replace(WEBHOOK, token="t2", session_id=B), replace(WEBHOOK, token="t3")])
    save_webhooks(connection, [replace(WEBHOOK, url="http://changed")])

    assert [each.token for each in webhooks_of(connection, A)] == ["t3", "t1"]
    assert [each.token for each in webhooks_of(connection, None)] == ["t3", "t2", "t1"]


def test_what_was_deleted_while_no_engine_ran_is_told_apart(connection: sqlite3.Connection) -> None:
    add_session(connection, A)
    kept = replace(WEBHOOK, token="t2", webhook_id="w2", is_deleted=False)
    save_webhooks(connection, [WEBHOOK, kept])

    assert load_changes(connection, A).deleted_ids == {"w1"}
    remove_webhooks(connection, ["t1", "unknown"])
    assert load_changes(connection, A).deleted_ids == set()


def test_a_copy_is_the_last_one(connection: sqlite3.Connection) -> None:
    add_session(connection, A)
    save_copy(connection, A, "templates", [{"id": "1"}])
    save_copy(connection, A, "templates", [{"id": "2"}])

    assert load_copy(connection, A, "templates") == [{"id": "2"}]
    assert load_copy(connection, A, "config") is None


def test_nothing_is_kept_for_a_session_that_is_gone(connection: sqlite3.Connection) -> None:
    add_session(connection, A)
    save_webhooks(connection, [WEBHOOK])
    save_copy(connection, A, "config", {})
    connection.execute("DELETE FROM session")
    save_webhooks(connection, [WEBHOOK])
    save_copy(connection, A, "config", {})

    assert webhooks_of(connection, None) == []
    assert load_copy(connection, A, "config") is None


def test_what_an_engine_is_to_be_told_comes_back_oldest_first(connection: sqlite3.Connection) -> None:
    add_session(connection, A)
    waiting = [replace(WEBHOOK, token=f"t{number}", is_deleted=False, pending={"active": True}) for number in (1, 2)]
    save_webhooks(connection, [*waiting, replace(WEBHOOK, token="t3", pending={})])
    keep_config(connection, A, {"autoRejectCalls": True}, {"autoRejectCalls": True})

    changes = load_changes(connection, A)
    keep_config(connection, A, {"autoRejectCalls": False}, None)

    assert [each.token for each in changes.webhooks] == ["t1", "t2"]
    assert changes.config == {"autoRejectCalls": True}
    assert load_changes(connection, A).config is None
    assert load_copy(connection, A, "config") == {"autoRejectCalls": False}
