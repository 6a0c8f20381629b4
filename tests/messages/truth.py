"""What is known of the messages of a campaign: WhatsApp's books, the daemon's ledger, and what was broken when."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from openwa_manager.domain.delivery.events import Json

#: How many digits a number of a plan has.
NUMBER_DIGITS = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class BookEntry:
    """A message that WhatsApp really got; `at` is wall time."""

    session_id: str
    number: str
    text: str
    message_id: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedAt:
    """One attempt as the daemon tells it."""

    at: float
    outcome: str | None
    http_status: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """A message as the daemon tells it."""

    message_id: str
    session_id: str
    number: str
    route: str
    status: str
    error_code: str | None
    whatsapp_message_id: str | None
    sent_at: float | None
    attempts: Sequence[TriedAt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Something was ended at wall time `at`: the engine of a session, or (None) the daemon, away until `back_at`."""

    at: float
    back_at: float
    session_id: str | None = None


def books_of(home: Path, session_id: str) -> Path:
    """Return the file in which a session's engine writes down what WhatsApp got."""
    return home / "sessions" / session_id / "data" / "books.jsonl"


def read_books(home: Path, session_id: str) -> list[BookEntry]:
    """Return what WhatsApp got through a session, from the file that its engine writes before it answers."""
    path = books_of(home, session_id)
    if not path.exists():
        return []
    lines = [line for line in path.read_bytes().split(b"\n")[:-1] if line]
    return [_entry(session_id, json.loads(line)) for line in lines]


def number_in(chat: str) -> str:
    """Return the number in a chat id, a number, or one of the simulator's hidden ids."""
    return "".join(character for character in chat.partition("@")[0] if character.isdecimal())[-NUMBER_DIGITS:]


def row_of(shown: Mapping[str, Json]) -> LedgerRow:
    """Return a message from the JSON that the daemon shows of it."""
    attempts = shown["attempts"]
    assert isinstance(attempts, list)
    return LedgerRow(
        message_id=str(shown["message_id"]),
        session_id=str(shown["session_id"]),
        number=number_in(str(shown["to"])),
        route=str(shown["route"]),
        status=str(shown["status"]),
        error_code=_text(shown["error_code"]),
        whatsapp_message_id=_text(shown["whatsapp_message_id"]),
        sent_at=_time(shown["sent_at"]),
        attempts=[_attempt(each) for each in attempts if isinstance(each, dict)],
    )


def _attempt(shown: Mapping[str, Json]) -> TriedAt:
    status = shown["http_status"]
    return TriedAt(
        at=_time(shown["at"]) or 0.0,
        outcome=_text(shown["outcome"]),
        http_status=status if isinstance(status, int) else None,
    )


def _entry(session_id: str, line: Mapping[str, Json]) -> BookEntry:
    at = line["at"]
    assert isinstance(at, float | int)
    return BookEntry(
        session_id=session_id,
        number=number_in(str(line["chat_id"])),
        text=str(line["text"]),
        message_id=str(line["message_id"]),
        at=float(at),
    )


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _time(value: Json) -> float | None:
    return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else None
