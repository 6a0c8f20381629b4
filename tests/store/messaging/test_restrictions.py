"""What WhatsApp takes from an account holds its messages from the transaction on that tells of it."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Event, Json
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.times import iso8601
from openwa_manager.store.database import Database
from openwa_manager.store.delivery import outbox
from openwa_manager.store.messaging import queues
from openwa_manager.store.messaging.queues import AccountLimit

SESSION = SessionId("a")
NOW = 1_800_000_000.0
END = NOW + 3600.0


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[sqlite3.Connection]:
    async with Database(tmp_path / "manager.db"):
        with closing(sqlite3.connect(tmp_path / "manager.db")) as connection:
            yield connection


def tell(
    connection: sqlite3.Connection, kind: str, *, is_active: bool = True, until: float | None = None, at: float = NOW
) -> list[Event]:
    data: dict[str, Json] = {
        "pid": 7,
        "reason": "restricted",
        "reason_detail": kind,
        "is_active": is_active,
        "expires_at": None if until is None else iso8601(until),
    }
    event = Event(type="session.restricted", occurred_at=at, session_id=SESSION, data=data)
    return [each.event for each in outbox.append(connection, [event])]


def limit(connection: sqlite3.Connection) -> AccountLimit | None:
    return queues.read_queue(connection, SESSION).limit


def test_a_timelock_holds_first_contacts_and_stops_no_queue(connection: sqlite3.Connection) -> None:
    told = tell(connection, "reachout_timelock", until=END)

    assert limit(connection) == AccountLimit(kind="reachout_timelock", until=END)
    assert [each.type for each in told] == ["session.restricted"]
    assert told[0].data == {"pid": 7, "reason": "restricted", "reason_detail": "reachout_timelock"}


@pytest.mark.parametrize("kind", ["tos_block", "proxy_block", "banned"])
def test_what_stops_all_messages_is_told_once(connection: sqlite3.Connection, kind: str) -> None:
    told = [each.type for _ in range(2) for each in tell(connection, kind)]

    assert limit(connection) == AccountLimit(kind=kind, until=None)
    assert told == ["session.restricted", "queue.held", "session.restricted"]


def test_one_that_was_lifted_holds_nothing_and_tells_nothing(connection: sqlite3.Connection) -> None:
    tell(connection, "tos_block")

    told = tell(connection, "tos_block", is_active=False)

    assert (told, limit(connection)) == ([], None)


@pytest.mark.parametrize(("kind", "until"), [("unheard_of", END), ("tos_block", NOW - 1.0)])
def test_what_means_nothing_for_messages_holds_none(connection: sqlite3.Connection, kind: str, until: float) -> None:
    told = tell(connection, kind, until=until)

    assert limit(connection) is None
    assert [each.type for each in told] == ["session.restricted"]
