"""Sending: what leaves for WhatsApp, what comes back about it."""

import asyncio
import os
from collections import deque
from dataclasses import dataclass

from openwa_manager.simulator.clock import unix_now_s
from openwa_manager.simulator.http.errors import HttpError, internal_error
from openwa_manager.simulator.http.wire import Json
from openwa_manager.simulator.settings import Settings, Vices
from openwa_manager.simulator.state.outgoing import Outgoing
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
