"""Measures what it costs to find out whose message an acknowledgement is about, beside events that are nobody's."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.messaging import messages
from tests.benchmarks.daemons import SLEEPER, running
from tests.benchmarks.measures.intake import Engine, engines_of, flood
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, medians
from tests.store.messaging.samples import new_message

_SESSIONS, _CONNECTIONS = 20, 64
_FATES = ("sent", "delivered", "read")
#: They are measured by turns, for what else the host does changes while this runs.
_TURNS = 5


def measure_acks(acks: int) -> Iterator[Row]:
    """Post acknowledgements of messages that are ours, and by turns of some that are not."""
    per_session = max(_TURNS, acks // len(_FATES) // _SESSIONS)
    with running(SLEEPER) as (daemon, _):
        engines = engines_of(daemon, _SESSIONS)
        for number in range(_SESSIONS):
            _add_sent(daemon.home / "manager.db", SessionId(f"s{number}"), per_session)
        ours, others, received = list[float](), list[float](), list[float]()
        for turn in range(_TURNS):
            numbers = range(turn * per_session // _TURNS, (turn + 1) * per_session // _TURNS)
            ours.append(_rate(engines, numbers, "3EB0"))
            others.append(_rate(engines, numbers, "TYPED"))
            requests = [engine.request() for _ in numbers for _ in _FATES for engine in engines]
            received.append(asyncio.run(flood(engines[0], _CONNECTIONS, requests)))
    values = medians({OURS: ours, FLOOR: others})
    name = "acknowledgements of ours (floor: of strangers')"
    yield Row(name=name, unit="/s", sessions=_SESSIONS, values=values, is_more_better=True, goals=[Goal(FLOOR, 0.8)])
    values = medians({OURS: received, FLOOR: others})
    name = "messages received (floor: strangers' acknowledgements)"
    yield Row(name=name, unit="/s", sessions=_SESSIONS, values=values, is_more_better=True)


def _rate(engines: list[Engine], numbers: range, prefix: str) -> float:
    requests = [
        engine.acknowledgement(fate, f"{prefix}{number}") for fate in _FATES for number in numbers for engine in engines
    ]
    return asyncio.run(flood(engines[0], _CONNECTIONS, requests))


def _add_sent(path: Path, session_id: SessionId, count: int) -> None:
    """Put messages beside the running daemon's that have been sent through this session."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("BEGIN IMMEDIATE")
        chats = [f"852{number:08}@c.us" for number in range(count)]
        news = [new_message(session_id=session_id, chat_id=each) for each in chats]
        messages.add_rows(connection, messages.rows_of(news))
        connection.execute(_SENT, (session_id,))
        connection.execute("COMMIT")


_SENT = """
    UPDATE message SET status = 'sent', sent_at = 1000.0, ended_at = 1000.0, body = NULL,
        whatsapp_message_id = '3EB0' || (CAST(substr(recipient, 4) AS INTEGER)) WHERE session_id = ?"""
