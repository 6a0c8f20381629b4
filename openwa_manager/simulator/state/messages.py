"""Sending and receiving: what leaves for WhatsApp, what comes back about it, and what others write."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from openwa_manager.simulator.clock import unix_now, unix_now_s
from openwa_manager.simulator.http.errors import HttpError, NoAnswerError, internal_error, paced, unavailable
from openwa_manager.simulator.http.wire import Json
from openwa_manager.simulator.settings import Settings, Vices
from openwa_manager.simulator.state.outgoing import Outgoing
from openwa_manager.simulator.state.refusals import Refusals
from openwa_manager.simulator.state.rows import Content, MessageRows, Row, event_data, new_row
from openwa_manager.simulator.state.sessions import Sessions
from openwa_manager.simulator.state.webhooks import Dispatcher
from openwa_manager.simulator.whatsapp.books import Books, Entry
from openwa_manager.simulator.whatsapp.engine import Engine
from openwa_manager.simulator.whatsapp.numbers import ACK_STEP_S, Answering, chat_of, digits_of, phone_of, treatment_of

#: baileys' numbers for how far a message got -> (OpenWA's word, whatsapp-web.js' number).
ACKS = {0: ("failed", -1), 2: ("sent", 1), 3: ("delivered", 2), 4: ("read", 3)}
#: How long an answer waits for the first ack to be posted.
POST_PATIENCE_S = 5.0
#: Of these the engine knows itself that WhatsApp took the message.
_WELL = frozenset({Answering.GIVEN, Answering.LOST, Answering.AFTER_ACK})

Answer: TypeAlias = dict[str, Json]
OnSent: TypeAlias = Callable[[Answer], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Where messages are written down: by WhatsApp in its books, by OpenWA in its table."""

    books: Books
    rows: MessageRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message that WhatsApp took over one of the engine's connections."""

    session_id: str
    engine: Engine
    connection_count: int
    chat_id: str
    message_id: str


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


def ignore(answer: Answer) -> None:
    """Do nothing."""
    del answer


class Messages:
    """Sends and receives messages of ready sessions."""

    def __init__(
        self,
        sessions: Sessions,
        dispatcher: Dispatcher,
        settings: Settings,
        vices: Vices,
        records: Records,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._types = settings.simulates_typing
        self._vices = vices
        self.books, self.rows = records.books, records.rows
        self._refusals = Refusals(sessions.restrictions, settings.release, vices.restricted_s)
        self._tasks = tasks
        self.fault = SendFault()

    async def send(
        self,
        session_id: str,
        message: Outgoing,
        *,
        types: bool = True,
        key: str | None = None,
        on_sent: OnSent = ignore,
    ) -> Answer:
        """Send a message, after typing it for a while; `on_sent` gets the answer first, whatever becomes of it.

        Raises: HttpError, NoAnswerError.
        """
        account = self._sessions.ready_engine(session_id).account
        self._sessions.database.require_writable()  # OpenWA stores a message before it hands it to WhatsApp
        self._refusals.refuse_by_openwa(session_id, message, key)
        content = _content(message)
        sender = f"{account.phone if account else ''}@c.us"
        row = new_row(session_id, content, sender=sender, recipient=message.chat_id, is_from_me=True)
        row = self.rows.add(row)
        try:
            await self._reach(session_id, message, types=types)
            sent, answer = self._hand_over(row, message, key)
        except HttpError:
            self.rows.change(row, status="failed")
            raise
        on_sent(answer)
        await self._answer(row, sent, answer)
        return answer

    async def _reach(self, session_id: str, message: Outgoing, *, types: bool) -> None:
        """Type, and take the time WhatsApp takes. Raises: HttpError: it did not get the message."""
        if types and message.kind == "text" and self._types:
            await asyncio.sleep(min(5.0, 0.5 + 0.045 * len(message.text)))
            self._sessions.ready_engine(session_id)
        if self._vices.send_s:
            await self._take_time(session_id)
        await self._fail_if_told()
        self._sessions.ready_engine(session_id)
        self._refusals.refuse_by_whatsapp(session_id, message)

    async def _take_time(self, session_id: str) -> None:
        """Let WhatsApp take its time. Raises: HttpError: the connection that carried the message broke meanwhile."""
        engine = self._sessions.ready_engine(session_id)
        connection_count = engine.connection_count
        await asyncio.sleep(self._vices.send_s)
        is_same = self._sessions.engine(session_id) is engine and engine.connection_count == connection_count
        if not is_same or not engine.is_ready:
            raise internal_error()

    def _hand_over(self, row: Row, message: Outgoing, key: str | None) -> tuple[Sent, Answer]:
        """Let WhatsApp have the message, and tell so. Raises: OSError."""
        session_id = str(row["sessionId"])
        engine = self._sessions.ready_engine(session_id)
        message_id = "3EB0" + os.urandom(9).hex().upper()
        sent_at = unix_now_s()
        entry = Entry(
            message_id=message_id,
            session_id=session_id,
            chat_id=message.chat_id,
            kind=message.kind,
            text=message.text,
            media_sha256=message.media_sha256,
            at=unix_now(),
            key=key,
        )
        self.books.enter(entry)
        sent = Sent(
            session_id=session_id,
            engine=engine,
            connection_count=engine.connection_count,
            chat_id=message.chat_id,
            message_id=message_id,
        )
        self._echo(row, sent, sent_at)
        return sent, {"messageId": message_id, "timestamp": sent_at}

    def _echo(self, row: Row, sent: Sent, sent_at: int) -> None:
        """Store that WhatsApp has the message: in its row, or in one of its own where the engine failed meanwhile."""
        answering = treatment_of(sent.chat_id).answering
        facts: Row = {"waMessageId": sent.message_id, "timestamp": sent_at, "status": "sent"}
        if answering in _WELL:
            self.rows.change(row, **facts)
        else:
            content = _content_of(row)
            echo = new_row(sent.session_id, content, sender=str(row["from"]), recipient=sent.chat_id, is_from_me=True)
            row = self.rows.note({**echo, **facts})
        self._sessions.touch(sent.session_id)
        self._dispatcher.dispatch(sent.session_id, "message.sent", event_data(row))

    async def _answer(self, row: Row, sent: Sent, answer: Answer) -> None:
        """Return when the caller may have its answer. Raises: HttpError, NoAnswerError: it gets another, or none."""
        treatment = treatment_of(sent.chat_id)
        steps = self._vices.acks if treatment.acks is None else treatment.acks
        if treatment.answering is Answering.AFTER_ACK and steps:
            posts = self._tell_ack(sent, steps[0])
            steps = steps[1:]
            if posts:
                await asyncio.wait(posts, timeout=POST_PATIENCE_S)
        self._tasks.create_task(self._acknowledge(sent, steps))
        match treatment.answering:
            case Answering.FAILED:
                self.rows.change(row, status="failed")
                raise internal_error()
            case Answering.UNCONFIRMED:
                self.rows.change(row, status="failed")
                raise unavailable("The engine did not confirm the operation in time")
            case Answering.NEVER:
                await asyncio.Event().wait()
            case Answering.LOST:
                raise NoAnswerError(answer)
            case _:
                return

    def receive(self, session_id: str, sender: str, text: str) -> None:
        """Let a message come in from a phone number, or from a chat id."""
        account = self._sessions.ready_engine(session_id).account
        chat_id = sender if "@" in sender else f"{sender}@c.us"
        phone = phone_of(chat_id)
        metadata: dict[str, Json] = {"contact": {"pushName": "Mock Sender"}}
        if phone is not None:
            metadata |= {"isLidSender": True, "senderPhone": phone}
        row = new_row(
            session_id,
            Content(kind="text", text=text, metadata=metadata),
            sender=chat_id,
            recipient=f"{account.phone if account else ''}@c.us",
            is_from_me=False,
        )
        facts: Row = {
            "waMessageId": "MOCKIN" + os.urandom(6).hex().upper(),
            "chatName": "Mock Sender",
            "timestamp": unix_now_s(),
            "status": "delivered",
        }
        row = self.rows.note({**row, **facts})
        self._sessions.touch(session_id)
        self._dispatcher.dispatch(session_id, "message.received", event_data(row))

    def search(self, text: str, session_id: str | None) -> list[Row]:
        """Return the messages with this text, newest first; None means of all sessions."""
        found = (row for row in self.rows.newest(session_id) if row["waMessageId"] is not None)
        return [row for row in found if text.lower() in str(row["body"]).lower()]

    def check_number(self, session_id: str, number: str) -> dict[str, Json]:
        """Tell whether a number is on WhatsApp. Raises: HttpError."""
        self._sessions.ready_engine(session_id)
        digits = digits_of(number)
        exists = bool(digits) and treatment_of(digits).is_on_whatsapp
        return {"number": number, "exists": exists, "whatsappId": chat_of(digits) if exists else None}

    async def _fail_if_told(self) -> None:
        match self.fault.take():
            case "":
                return
            case "hang":
                await asyncio.Event().wait()
            case "429":
                raise paced(57_608)
            case _:
                raise internal_error()

    async def _acknowledge(self, sent: Sent, steps: tuple[int, ...]) -> None:
        """Let the acks come in one by one, then the reply, as long as the connection lives that carried the message."""
        treatment = treatment_of(sent.chat_id)
        for step in steps:
            await asyncio.sleep(treatment.ack_step_s)
            if not self._is_linked(sent):
                return
            self._tell_ack(sent, step)
        if treatment.reply is not None:
            await asyncio.sleep(ACK_STEP_S)
            if self._is_linked(sent):
                self.receive(sent.session_id, sent.chat_id, treatment.reply)

    def _is_linked(self, sent: Sent) -> bool:
        is_loaded = self._sessions.engine(sent.session_id) is sent.engine
        return is_loaded and sent.engine.is_ready and sent.engine.connection_count == sent.connection_count

    def _tell_ack(self, sent: Sent, step: int) -> list[asyncio.Task[None]]:
        """Store and post how far a message got; return the posts."""
        status, number = ACKS.get(step, ACKS[2])
        self.rows.acknowledge(sent.message_id, status)
        data: dict[str, Json] = {"id": sent.message_id, "messageId": sent.message_id, "status": status, "ack": number}
        failed = self._dispatcher.dispatch(sent.session_id, "message.failed", data) if status == "failed" else []
        return [*failed, *self._dispatcher.dispatch(sent.session_id, "message.ack", data)]


def _content(message: Outgoing) -> Content:
    metadata: dict[str, Json] = {} if message.media is None else {"media": message.media}
    return Content(kind=message.kind, text=message.text, metadata=metadata)


def _content_of(row: Row) -> Content:
    metadata = row["metadata"]
    return Content(
        kind=str(row["type"]), text=str(row["body"]), metadata=metadata if isinstance(metadata, dict) else {}
    )
