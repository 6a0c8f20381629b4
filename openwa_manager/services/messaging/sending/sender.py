"""Sends one message through one engine: prepares it, records that it leaves, asks once, records what that proves."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.errors import EngineError, MediaUnavailableError, StorageFullError
from openwa_manager.domain.messaging.messages import Body, Kind, Message, MessageError, MessageStatus, Move
from openwa_manager.domain.messaging.outcomes import (
    SENTENCES,
    Answered,
    MediaFile,
    Outgoing,
    SendCode,
    Sent,
    Uncertain,
    Verdict,
    judge,
)
from openwa_manager.domain.messaging.recipients import is_person
from openwa_manager.domain.messaging.restrictions import AccountRestricted, judge_restriction
from openwa_manager.domain.messaging.retries import EngineMemory
from openwa_manager.domain.messaging.words import ENDS, EndCode
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.media import MediaRequest, MediaStore
from openwa_manager.services.messaging.memories import EngineMemories
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.services.messaging.sending.attempts import Also, Answer, Attempts, Ended, nothing_else
from openwa_manager.services.messaging.sending.reach import Reached
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging.moves import move

_log = structlog.get_logger()

#: What an engine knows an attempt by: the same whenever it is asked about, another once it is proven not sent, for a
#: real OpenWA may go on calling that key's outcome unknown.
_KEY_PREFIX = "owm-"
#: How long to wait before the next try to record what a full disk had no room for.
_RETRY_S = 1.0


#: Tells whether a number is on WhatsApp: True, False, or None when that cannot be told now.
CheckNumber = Callable[[Message], Awaitable[bool | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What became of a message's turn.

    `ended` None: it was asked of nobody. `was_used`: something left, or may have, so that a gap follows.
    """

    verdict: Verdict | None = None
    ended: Ended | None = None
    was_used: bool = False
    restriction: AccountRestricted | None = None


class MessageSender:
    """Sends messages, each at most once unless it is proven that it was not sent."""

    def __init__(
        self, records: MessageRecords, attempts: Attempts, clock: Clock, media: MediaStore, check_number: CheckNumber
    ) -> None:
        self._records = records
        self._attempts = attempts
        self._clock = clock
        self._media = media
        self._check_number = check_number
        self.memories = EngineMemories(clock)

    async def send(self, message: Message, reached: Reached) -> SendResult:
        """Send a message that has its turn.

        Raises:
            StorageFullError: that it leaves could not be recorded; nothing was sent.
        """
        if await self._is_bounced(message):
            return SendResult()
        outgoing = await self._prepare(message)
        if outgoing is None:
            return SendResult()
        memory = await self.memories.of(reached)
        key = f"{_KEY_PREFIX}{message.message_id}-{message.attempt_count + 1}" if memory.keeps_keys else None
        begun = await self._attempts.begin(message.message_id, memory, key)
        if begun is None:
            return SendResult()
        return await self._ask(begun, reached, outgoing, key)

    async def ask_again(self, message: Message, reached: Reached, key: str) -> SendResult:
        """Ask the engine, under the key that it was sent with, what became of a message in flight.

        Raises:
            StorageFullError: that could not be recorded; nothing was asked.
        """
        outgoing = await self._prepare(message)
        if outgoing is None:
            detail = "its file cannot be had any more, so that its engine cannot be asked about it"
            verdict = Uncertain(code=SendCode.ASKED_IN_VAIN, detail=detail, is_lasting=True)
            return SendResult(ended=await self.record(message, Answer(verdict=verdict, send_s=0.0)))
        asked = await self._attempts.ask(message, await self.memories.ask(reached), key)
        return await self._ask(asked, reached, outgoing, key, is_question=True)

    async def _ask(
        self, message: Message, reached: Reached, outgoing: Outgoing, key: str | None, *, is_question: bool = False
    ) -> SendResult:
        began_s = self._clock.now().boot_s
        answer = await reached.engine.send(reached.session, reached.launch, outgoing, key)
        send_s = self._clock.now().boot_s - began_s
        verdict = judge(answer, is_question=is_question)
        restriction = await self.restriction(verdict, message, reached)
        status = answer.http_status if isinstance(answer, Answered) else None
        memory_now = await self._memory_now(reached) if isinstance(verdict, Uncertain) else None
        ended = await self.record(
            message,
            Answer(
                verdict=verdict,
                send_s=send_s,
                http_status=status,
                memory_now=memory_now,
                restriction=restriction,
            ),
        )
        return SendResult(
            verdict=verdict, ended=ended, was_used=isinstance(verdict, Sent | Uncertain), restriction=restriction
        )

    async def _memory_now(self, reached: Reached) -> EngineMemory | None:
        try:
            return await self.memories.ask(reached)
        except EngineError:
            return None

    async def record(self, message: Message, answer: Answer, also: Also = nothing_else) -> Ended:
        """Return once the outcome is on disk, however long that takes: it must not be forgotten."""
        while True:
            try:
                return await self._attempts.end(message, answer, also)
            except StorageFullError as error:
                _log.warning("outcome_not_recorded", message_id=message.message_id, error=str(error))
            await asyncio.sleep(_RETRY_S)

    async def restriction(self, verdict: Verdict, message: Message, reached: Reached) -> AccountRestricted | None:
        """Return what WhatsApp took from the account, if that may be why the engine failed."""
        if not isinstance(verdict, Uncertain) or not verdict.may_be_restricted:
            return None
        try:
            found = await reached.engine.read_restriction(reached.session, reached.launch)
        except EngineError:
            return None
        is_first_contact = message.recipient.is_first_contact
        return judge_restriction(found, is_first_contact=is_first_contact, now=self._clock.now().at)

    async def _is_bounced(self, message: Message) -> bool:
        """Tell whether the number of a first contact is not on WhatsApp; then the message has bounced."""
        if not message.recipient.is_first_contact or not is_person(message.recipient.chat_id):
            return False
        if await self._check_number(message) is not False:
            return False
        code = SendCode.NOT_ON_WHATSAPP
        await self._give_up(message, MessageStatus.BOUNCED, MessageError(code=code, detail=SENTENCES[code]))
        return True

    async def _prepare(self, message: Message) -> Outgoing | None:
        """Return what the engine is asked to send; None when that cannot be had, so that the message has failed."""
        body, chat_id = message.body, message.recipient.chat_id
        if body is None:
            error = MessageError(code=EndCode.BODY_GONE, detail=ENDS[EndCode.BODY_GONE])
            await self._give_up(message, MessageStatus.FAILED, error)
            return None
        if body.kind is Kind.TEXT:
            return Outgoing(chat_id=chat_id, kind=Kind.TEXT, text=body.text)
        try:
            media = await self._file_of(message, body)
        except MediaUnavailableError as error:
            if body.fallback_text is not None:  # that of a question too: under its key one thing is sent at most
                return Outgoing(chat_id=chat_id, kind=Kind.TEXT, text=body.fallback_text)
            failure = MessageError(code=SendCode.MEDIA_UNAVAILABLE, detail=str(error))
            await self._give_up(message, MessageStatus.FAILED, failure)
            return None
        return Outgoing(chat_id=chat_id, kind=body.kind, text=body.text, media=media)

    async def _file_of(self, message: Message, body: Body) -> MediaFile:
        """Return the file that a message sends, fetched now if it was not.

        Raises:
            MediaUnavailableError: it cannot be had.
            StorageFullError: there is no room for it.
        """
        request = MediaRequest(
            kind=body.kind,
            url=body.url or "",
            batch_id=message.origin.batch_id,
            message_id=message.message_id,
            filename=body.filename,
        )
        if body.media_name is not None:
            return await self._media.kept(body.media_name, request)
        return await self._media.fetch(request)

    async def release_media(self, message: Message) -> None:
        """Let go of the files of a message that is in no batch."""
        await self._media.release(message.message_id)

    async def _give_up(self, message: Message, to: MessageStatus, error: MessageError) -> None:
        """End a message that was not sent; one in flight stays as it is, for it may have been."""
        if message.status is not MessageStatus.QUEUED:
            return
        step = Move(to=to, at=self._clock.now().at, error=error)

        await self._records.tell(partial(_move, message=message, step=step))


def _move(connection: Connection, message: Message, step: Move) -> tuple[None, Sequence[Event]]:
    moved = move(connection, message.message_id, step)
    return None, moved.events if moved else ()
