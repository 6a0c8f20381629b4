"""What "WhatsApp" got from all sessions of the mock, in order, as callers are shown it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import cast

from openwa_manager.domain import foreign_json
from openwa_manager.domain.times import iso8601
from openwa_manager.domain.values import dataclass
from openwa_manager.simulator.whatsapp.numbers import digits_of, phone_of

#: More than a test looks at, and little enough to be read at once.
LIMIT_MAX = 10_000
_TEXT_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which messages are wanted: of a session, to a number or chat, without the first `after`, at most `limit`."""

    session: str | None = None
    to: str | None = None
    after: int = 0
    limit: int = LIMIT_MAX


def read(path: Path, question: Question) -> list[dict[str, object]]:
    """Return the messages that are asked for. Raises OSError when the file cannot be read."""
    found: list[dict[str, object]] = []
    skipped = 0
    for entry in _entries(path):
        message = _shown(entry)
        if not _is_meant(message, question):
            continue
        if skipped < question.after:
            skipped += 1
            continue
        found.append(message)
        if len(found) >= question.limit:
            break
    return found


def clear(path: Path) -> int:
    """Forget all messages; return how many there were."""
    count = sum(1 for _ in _entries(path))
    if path.exists():
        os.truncate(path, 0)
    return count


def page(messages: Sequence[Mapping[str, object]]) -> str:
    """Return the messages as a page for people."""
    columns = ("at", "session_id", "to", "kind", "text", "message_id")
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    rows = (
        "<tr>" + "".join(f"<td>{escape(str(each[name])[:_TEXT_SHOWN])}</td>" for name in columns) + "</tr>"
        for each in messages
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>What WhatsApp got</title>'
        f"<h1>What WhatsApp got: {len(messages)}</h1><table border><tr>{head}</tr>{''.join(rows)}</table></html>"
    )


def _entries(path: Path) -> Iterator[Mapping[str, object]]:
    try:
        file = path.open("rb")
    except FileNotFoundError:  # nobody sent anything yet
        return
    with file:
        for line in file:
            if line.endswith(b"\n"):
                yield cast("Mapping[str, object]", foreign_json.parse(line))


def _shown(entry: Mapping[str, object]) -> dict[str, object]:
    chat, at = str(entry["chat_id"]), entry["at"]
    number = phone_of(chat) or (digits_of(chat) if chat.endswith(("@c.us", "@s.whatsapp.net")) else None)
    return {
        "session_id": entry["directory"],
        "to": chat if number is None else f"+{number}",
        "chat_id": chat,
        "kind": entry["kind"],
        "text": entry["text"],
        "media_sha256": entry["media_sha256"],
        "message_id": entry["message_id"],
        "idempotency_key": entry["key"],
        "at": iso8601(float(str(at))),
    }


def _is_meant(message: Mapping[str, object], question: Question) -> bool:
    if question.session is not None and message["session_id"] != question.session:
        return False
    if question.to is None or question.to in (message["to"], message["chat_id"]):
        return True
    wanted = "".join(each for each in question.to.partition("@")[0] if each in "0123456789")
    return bool(wanted) and "@g" not in question.to and message["to"] == f"+{wanted}"
