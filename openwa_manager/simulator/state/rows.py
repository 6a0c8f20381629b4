"""OpenWA's table of messages: a row per message that came or was to leave, as its message list shows them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast
from uuid import uuid4

from openwa_manager.simulator.clock import iso_now_whole
from openwa_manager.simulator.http.wire import Json
from openwa_manager.simulator.journal import Journal
from openwa_manager.simulator.log import log

Row: TypeAlias = dict[str, Json]

#: How many rows can be read; OpenWA keeps all.
REMEMBERED = 10_000
#: How much of the file a new process reads.
_READ_BYTES = 16 * 1024 * 1024
#: A status never goes back to a lesser one, in whatever order the acks come.
_RANKS = {"pending": 0, "failed": 1, "sent": 1, "delivered": 2, "read": 3}
_KINDS = {"c.us": "individual", "lid": "individual", "g.us": "group", "newsletter": "channel"}
LIST_LIMIT, LIST_LIMIT_MAX = 50, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a message says, and what else OpenWA keeps of it: `media`, `contact`."""

    kind: str
    text: str
    metadata: dict[str, Json]


def new_row(session_id: str, content: Content, *, sender: str, recipient: str, is_from_me: bool) -> Row:
    """Return the row of a message that is not with WhatsApp yet."""
    return {
        "id": str(uuid4()),
        "sessionId": session_id,
        "waMessageId": None,
        "chatId": recipient if is_from_me else sender,
        "chatName": None,
        "from": sender,
        "to": recipient,
        "author": None,
        "body": content.text,
        "type": content.kind,
        "direction": "outgoing" if is_from_me else "incoming",
        "mediaPath": None,
        "mediaMimetype": cast("dict[str, Json]", content.metadata.get("media") or {}).get("mimetype"),
        "timestamp": None,
        "metadata": content.metadata or None,
        "status": "pending",
        "createdAt": iso_now_whole(),
    }


def kind_of_chat(chat_id: str) -> str:
    """Return OpenWA's word for what sort of chat this is."""
    return _KINDS.get(chat_id.rpartition("@")[2], "unknown") if "@" in chat_id else "unknown"


def event_data(row: Row) -> dict[str, Json]:
    """Return a message as events and the history of its chat show it."""
    kind = kind_of_chat(str(row["chatId"]))
    data: dict[str, Json] = {
        "id": row["waMessageId"],
        "from": row["from"],
        "to": row["to"],
        "chatId": row["chatId"],
        "body": row["body"],
        "type": row["type"],
        "timestamp": row["timestamp"],
        "fromMe": row["direction"] == "outgoing",
        "isGroup": kind == "group",
        "kind": kind,
        "isStatusBroadcast": False,
    }
    metadata = row["metadata"]
    return data | metadata if isinstance(metadata, dict) else data


class MessageRows:
    """The newest rows of all sessions, in memory and in a file that outlives the process."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises: OSError."""
        self._rows: dict[str, Row] = {}
        self._by_whatsapp_id: dict[str, Row] = {}
        self._journal = Journal(path)
        for entry in self._journal.entries(_READ_BYTES):
            self._keep(cast("Row", entry))

    def add(self, row: Row) -> Row:
        """Store a new row. Raises: OSError."""
        self._journal.add(row)
        return self._keep(row)

    def note(self, row: Row) -> Row:
        """Store a new row as `change` does."""
        return self._noted(row)

    def change(self, row: Row, **changes: Json) -> None:
        """Store what changed in a row; that it could not be written shows in the log only, as in OpenWA."""
        self._noted({"id": row["id"], **changes})

    def acknowledge(self, whatsapp_id: str, status: str) -> None:
        """Note how far a message got, unless it was known to be further already."""
        row = self._by_whatsapp_id.get(whatsapp_id)
        if row is not None and _RANKS[status] >= _RANKS[str(row["status"])]:
            self.change(row, status=status)

    def newest(self, session_id: str | None = None) -> Iterator[Row]:
        """Yield the rows of a session, or of all, the newest first."""
        return (row for row in reversed(self._rows.values()) if session_id in {None, row["sessionId"]})

    def known(self, session_id: str, chat_id: str | None = None) -> Iterator[Row]:
        """Yield those rows, the newest first, whose messages WhatsApp knows."""
        for row in self.newest(session_id):
            if row["waMessageId"] is not None and chat_id in {None, row["chatId"]}:
                yield row

    def _noted(self, entry: Row) -> Row:
        try:
            self._journal.add(entry)
        except OSError as error:
            log(f"Failed to store message {entry['id']}: {error}", level="ERROR")
        return self._keep(entry)

    def _keep(self, entry: Row) -> Row:
        """Take a row, or what changed in one; one that is not remembered does not come back by a change."""
        name = str(entry["id"])
        row = self._rows.get(name)
        if row is not None:
            row.update(entry)
        elif "sessionId" in entry:
            row = self._rows[name] = entry
            if len(self._rows) > REMEMBERED:
                oldest = self._rows.pop(next(iter(self._rows)))
                self._by_whatsapp_id.pop(str(oldest["waMessageId"]), None)
        else:
            return entry
        if row["waMessageId"] is not None:
            self._by_whatsapp_id[str(row["waMessageId"])] = row
        return row


def page(rows: Iterator[Row], query: Mapping[str, str]) -> dict[str, Json]:
    """Return one page of a message list and how many rows there are in all, filtered as the query of a call says."""
    wanted = {
        column: query[name]
        for name, column in (
            *(("chatId", "chatId"), ("from", "from"), ("direction", "direction"), ("type", "type")),
            *(("messageId", "waMessageId"),),
        )
        if name in query
    }
    found: list[Json] = [row for row in rows if all(row[column] == value for column, value in wanted.items())]
    start = whole(query, "offset", 0)
    limit = min(LIST_LIMIT_MAX, max(1, whole(query, "limit", LIST_LIMIT)))
    return {"messages": found[start : start + limit], "total": len(found)}


def whole(query: Mapping[str, str], name: str, default: int) -> int:
    """Return a number of the query, or the default where it is none."""
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default


def chats(rows: Iterator[Row]) -> list[dict[str, Json]]:
    """Return the chats of these rows, as the chat list shows them; the newest first, as the rows are."""
    found: dict[Json, dict[str, Json]] = {}
    read: set[Json] = set()
    for row in rows:
        chat_id = row["chatId"]
        chat = found.get(chat_id)
        if chat is None:
            chat = found[chat_id] = _chat(row)
        if row["direction"] == "outgoing":
            read.add(chat_id)
        elif chat_id not in read:
            chat["unreadCount"] = cast("int", chat["unreadCount"]) + 1
        chat["name"] = row["chatName"] or chat["name"]
    return [*found.values()]


def _chat(row: Row) -> dict[str, Json]:
    kind = kind_of_chat(str(row["chatId"]))
    return {
        "id": row["chatId"],
        "name": str(row["chatId"]).partition("@")[0],
        "isGroup": kind == "group",
        "unreadCount": 0,
        "lastMessage": row["body"],
        "lastMessageType": row["type"],
        "timestamp": row["timestamp"],
        "kind": kind,
        "archived": False,
        "pinned": False,
        "muted": False,
    }
