"""Sending: what leaves for WhatsApp, what comes back about it, and batches."""

import asyncio
import os
from base64 import b64decode
from collections import deque
from dataclasses import dataclass, field

from openwa_manager.simulator.clock import iso_now, unix_now_s
from openwa_manager.simulator.http.errors import HttpError, internal_error, refusal
from openwa_manager.simulator.http.wire import Json
from openwa_manager.simulator.settings import Settings, Vices
from openwa_manager.simulator.state.sessions import Sessions
from openwa_manager.simulator.state.webhooks import Dispatcher
from openwa_manager.simulator.whatsapp.engine import Engine

ACK_STEP_S = 0.15
#: How many messages can be searched; OpenWA keeps all.
REMEMBERED = 1000
#: baileys' numbers for how far a message got -> (OpenWA's word, whatsapp-web.js' number).
ACKS = {0: ("failed", -1), 2: ("sent", 1), 3: ("delivered", 2), 4: ("read", 3)}
#: Numbers containing this are not on WhatsApp.
UNREACHABLE = "999999"

SessionBody = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message about to leave."""

    chat_id: str
    kind: str
    text: str = ""
    media: dict[str, Json] | None = None


@dataclass(slots=True)
class SendFault:
    """How the next sends fail; set through the control routes."""

    mode: str = ""
    left: int = 0

    def take(self) -> str:
        """Return how this send fails; an empty string when it does not."""
        if self.left <= 0:
            return ""
        self.left -= 1
        return self.mode


def _text(body: SessionBody, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _media(body: SessionBody) -> dict[str, Json]:
    """Return what OpenWA tells about media that it does not inline."""
    try:
        size = len(b64decode(_text(body, "base64")))
    except ValueError:
        size = 0
    media: dict[str, Json] = {"mimetype": _text(body, "mimetype") or "application/octet-stream"}
    if body.get("filename"):
        media["filename"] = body["filename"]
    return media | {"omitted": True, "sizeBytes": size}


def outgoing(kind: str, body: SessionBody) -> Outgoing:
    """Return the message a send route's body stands for."""
    chat_id = _text(body, "chatId") or _text(body, "toChatId")
    if kind == "text":
        return Outgoing(chat_id=chat_id, kind=kind, text=_text(body, "text"))
    if kind in {"image", "video", "audio", "document", "sticker"}:
        kind = "voice" if body.get("ptt") is True else kind
        return Outgoing(chat_id=chat_id, kind=kind, text=_text(body, "caption"), media=_media(body))
    return Outgoing(chat_id=chat_id, kind=kind, text=_text(body, "name") or _text(body, "description"))


def _kind_of_chat(chat_id: str) -> str:
    if chat_id.endswith("@c.us"):
        return "individual"
    return "group" if chat_id.endswith("@g.us") else "unknown"


class Messages:
    """Sends and receives messages of ready sessions."""

    def __init__(
        self, sessions: Sessions, dispatcher: Dispatcher, settings: Settings, vices: Vices, tasks: asyncio.TaskGroup
    ) -> None:
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._settings = settings
        self._vices = vices
        self._tasks = tasks
        self._remembered: deque[tuple[str, dict[str, Json]]] = deque(maxlen=REMEMBERED)
        self.fault = SendFault()

    async def send(self, session_id: str, message: Outgoing, *, types: bool = True) -> dict[str, Json]:
        """Send a message, after typing it for a while. Raises: HttpError."""
        self._sessions.ready_engine(session_id)
        self._sessions.database.require_writable()  # OpenWA stores a message before it hands it to WhatsApp
        if types and message.kind == "text" and self._settings.simulates_typing:
            await asyncio.sleep(min(5.0, 0.5 + 0.045 * len(message.text)))
            self._sessions.ready_engine(session_id)
        await self._fail_if_told()
        engine = self._sessions.ready_engine(session_id)
        message_id = "3EB0" + os.urandom(9).hex().upper()
        sent_at = unix_now_s()
        data = self._event_data(session_id, message, message_id, sent_at)
        self._sessions.touch(session_id)
        self._remembered.append((session_id, data))
        self._dispatcher.dispatch(session_id, "message.sent", data)
        self._tasks.create_task(self._acknowledge(session_id, engine, message.chat_id, message_id))
        return {"messageId": message_id, "timestamp": sent_at}

    def receive(self, session_id: str, sender: str, text: str) -> None:
        """Let a message come in from a phone number."""
        account = self._sessions.ready_engine(session_id).account
        data: dict[str, Json] = {
            "id": "MOCKIN" + os.urandom(6).hex().upper(),
            "from": f"{sender}@c.us",
            "to": f"{account.phone if account else ''}@c.us",
            "chatId": f"{sender}@c.us",
            "body": text,
            "type": "text",
            "timestamp": unix_now_s(),
            "fromMe": False,
            "isGroup": False,
            "kind": "individual",
            "isStatusBroadcast": False,
            "contact": {"pushName": "Mock Sender"},
        }
        self._sessions.touch(session_id)
        self._remembered.append((session_id, data))
        self._dispatcher.dispatch(session_id, "message.received", data)

    def search(self, text: str, session_id: str | None) -> list[tuple[str, dict[str, Json]]]:
        """Return session and data of the messages with this text, newest first; None means of all sessions."""
        return [
            (owner, data)
            for owner, data in reversed(self._remembered)
            if session_id in {None, owner} and text.lower() in str(data["body"]).lower()
        ]

    def check_number(self, session_id: str, number: str) -> dict[str, Json]:
        """Tell whether a number is on WhatsApp. Raises: HttpError."""
        self._sessions.ready_engine(session_id)
        digits = "".join(character for character in number if character.isdigit())
        exists = bool(digits) and UNREACHABLE not in digits
        return {"number": number, "exists": exists, "whatsappId": f"{digits}@c.us" if exists else None}

    async def _fail_if_told(self) -> None:
        match self.fault.take():
            case "":
                return
            case "hang":
                await asyncio.Event().wait()
            case "429":
                body: dict[str, Json] = {
                    "statusCode": 429,
                    "error": "Too Many Requests",
                    "message": "Daily allowance of 2 new conversation(s) reached for a session 0 day(s) old",
                    "code": "SEND_PACING_LIMITED",
                    "retryAfterSeconds": 57_608,
                }
                raise HttpError(429, body)
            case _:
                raise internal_error()

    def _event_data(self, session_id: str, message: Outgoing, message_id: str, sent_at: int) -> dict[str, Json]:
        account = self._sessions.ready_engine(session_id).account
        kind = _kind_of_chat(message.chat_id)
        data: dict[str, Json] = {
            "id": message_id,
            "from": f"{account.phone if account else ''}@c.us",
            "to": message.chat_id,
            "chatId": message.chat_id,
            "body": message.text,
            "type": message.kind,
            "timestamp": sent_at,
            "fromMe": True,
            "isGroup": kind == "group",
            "kind": kind,
            "isStatusBroadcast": False,
        }
        return data if message.media is None else data | {"media": message.media}

    async def _acknowledge(self, session_id: str, engine: Engine, chat_id: str, message_id: str) -> None:
        """Let the acks come in one by one, as long as the connection lives that carried the message."""
        connection = engine.connection_count
        steps = (0,) if UNREACHABLE in chat_id else self._vices.acks
        for step in steps:
            await asyncio.sleep(ACK_STEP_S)
            if self._sessions.engine(session_id) is not engine:
                return
            if not engine.is_ready or engine.connection_count != connection:
                return
            status, number = ACKS.get(step, ACKS[2])
            data: dict[str, Json] = {"id": message_id, "messageId": message_id, "status": status, "ack": number}
            if status == "failed":
                self._dispatcher.dispatch(session_id, "message.failed", data)
            self._dispatcher.dispatch(session_id, "message.ack", data)


@dataclass(slots=True)
class Tally:
    """How many messages of a batch were sent, failed and cancelled."""

    sent: int = 0
    failed: int = 0
    cancelled: int = 0


@dataclass(slots=True, kw_only=True)
class Batch:
    """A bulk send and how far it got."""

    batch_id: str
    session_id: str
    messages: list[Outgoing]
    delay_s: float
    stops_on_error: bool
    status: str = "pending"
    results: "list[Json] | None" = None
    tally: Tally = field(default_factory=Tally)
    started_at: str | None = None
    completed_at: str | None = None

    def view(self) -> dict[str, Json]:
        """Return the batch as the API shows it."""
        return {
            "batchId": self.batch_id,
            "status": self.status,
            "progress": self.progress(),
            "results": self.results or [],
            "startedAt": self.started_at,
            "completedAt": self.completed_at,
        }

    def progress(self) -> dict[str, Json]:
        """Return the counts."""
        total, tally = len(self.messages), self.tally
        return {
            "total": total,
            "sent": tally.sent,
            "failed": tally.failed,
            "pending": total - tally.sent - tally.failed - tally.cancelled,
            "cancelled": tally.cancelled,
        }


class Batches:
    """The bulk sends of this process; OpenWA keeps them in its database, here they end with the process."""

    def __init__(self, messages: Messages, tasks: asyncio.TaskGroup) -> None:
        self._messages = messages
        self._tasks = tasks
        self._batches: dict[str, Batch] = {}

    def start(self, batch: Batch) -> None:
        """Take a batch on. Raises: HttpError when its id is taken."""
        if batch.batch_id in self._batches:
            raise refusal(400, f"Batch ID '{batch.batch_id}' already exists")
        self._batches[batch.batch_id] = batch
        self._tasks.create_task(self._run(batch))

    def get(self, session_id: str, batch_id: str) -> Batch:
        """Return a batch. Raises: HttpError."""
        batch = self._batches.get(batch_id)
        if batch is None or batch.session_id != session_id:
            raise refusal(404, f"Batch '{batch_id}' not found")
        return batch

    def cancel(self, session_id: str, batch_id: str) -> Batch:
        """Stop a batch before its next message. Raises: HttpError."""
        batch = self.get(session_id, batch_id)
        if batch.status not in {"pending", "processing"}:
            raise refusal(400, f"Batch '{batch_id}' is already {batch.status}")
        batch.tally.cancelled = len(batch.messages) - batch.tally.sent - batch.tally.failed
        batch.status = "cancelled"
        batch.completed_at = iso_now()
        return batch

    async def _run(self, batch: Batch) -> None:
        batch.status, batch.started_at, batch.results = "processing", iso_now(), []
        for number, message in enumerate(batch.messages):
            if number:
                await asyncio.sleep(batch.delay_s)
            if batch.status == "cancelled":
                return
            await self._send(batch, batch.results, message)
            if batch.tally.failed and batch.stops_on_error:
                break
        batch.status = "failed" if batch.tally.failed and batch.stops_on_error else "completed"
        batch.completed_at = iso_now()

    async def _send(self, batch: Batch, results: list[Json], message: Outgoing) -> None:
        try:
            answer = await self._messages.send(batch.session_id, message, types=False)
        except HttpError as error:
            batch.tally.failed += 1
            fault: Json = {"code": "SEND_FAILED", "message": str(error.body.get("message"))}
            results.append({"chatId": message.chat_id, "status": "failed", "error": fault})
        else:
            batch.tally.sent += 1
            results.append(
                {
                    "chatId": message.chat_id,
                    "status": "sent",
                    "messageId": answer["messageId"],
                    "sentAt": iso_now(),
                }
            )
