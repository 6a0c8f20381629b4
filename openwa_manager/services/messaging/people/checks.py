"""Asks engines whether numbers are on WhatsApp, not too fast, and remembers what they said."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import field
from functools import partial

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.errors import EngineError, StorageFullError
from openwa_manager.domain.messaging.messages import Message
from openwa_manager.domain.messaging.recipients import digits_of, seen_chat_id
from openwa_manager.domain.messaging.sightings import ContactFound
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging.people import checks
from openwa_manager.store.messaging.people.checks import NumberCheck
from openwa_manager.store.messaging.people.linking import link

#: Asks the engine of a session about a number; EngineError: it says nothing now.
Ask = Callable[[SessionId, str], Awaitable[ContactFound]]
#: How long the numbers of one call are asked about.
WITHIN_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedChat:
    """What is known of a chat: whether it is on WhatsApp and under which id, and when that was said (wall time).

    `is_on_whatsapp` None: nobody could be asked.
    """

    chat_id: str | None
    is_on_whatsapp: bool | None
    checked_at: float | None


NOT_KNOWN = CheckedChat(chat_id=None, is_on_whatsapp=None, checked_at=None)


@dataclasses.dataclass(slots=True)
class _Line:
    """The questions to one session's engine: one at a time, and when the next may be asked."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    free_boot_s: float = 0.0
    waiting_count: int = 0


class ContactChecks:
    """Knows who is on WhatsApp; what a session does not remember its engine is asked, `gap_s` after the last question.

    What one session was told no other is: when it asked tells to whom it writes.
    """

    def __init__(self, records: MessageRecords, clock: Clock, ask: Ask, gap_s: float) -> None:
        self._records = records
        self._clock = clock
        self._ask = ask
        self._gap_s = gap_s
        self._lines: dict[SessionId, _Line] = {}

    async def check(self, session_id: SessionId, chat_id: str, within_s: float = WITHIN_S) -> CheckedChat:
        """Return what is known of a chat, within about this time; chats that tell no number are not asked about."""
        digits = digits_of(chat_id)
        if digits is None:
            return NOT_KNOWN
        known = await self._known(session_id, digits)
        return known or await self._asked(session_id, digits, self._clock.now().boot_s + within_s)

    async def is_on_whatsapp(self, message: Message) -> bool | None:
        """Tell whether whom a message is for is on WhatsApp; None: nobody could be asked.

        If he has another name there, that is noted: he may have opted out under it, and then waits for nothing.

        Raises:
            StorageFullError: it could not be noted.
        """
        chat_id = message.recipient.chat_id
        checked = await self.check(message.origin.session_id, chat_id)
        name = None if checked.chat_id is None else seen_chat_id(checked.chat_id)
        if name is not None and name != chat_id:
            note = partial(_note_name, message=message, name=name, at=self._clock.now().at)
            await self._records.tell(note)
        return checked.is_on_whatsapp

    async def check_all(
        self, session_id: SessionId, chat_ids: Sequence[str], within_s: float = WITHIN_S
    ) -> list[CheckedChat]:
        """Return what is known of each chat, in their order; once the engine says nothing it is asked no more."""
        until_boot_s = self._clock.now().boot_s + within_s
        found: dict[str, CheckedChat] = {}
        is_mute = False
        for chat_id in chat_ids:
            digits = digits_of(chat_id)
            if digits is None or digits in found:
                continue
            found[digits] = await self._known(session_id, digits) or NOT_KNOWN
            if found[digits].is_on_whatsapp is None and not is_mute:
                found[digits] = await self._asked(session_id, digits, until_boot_s)
                is_mute = found[digits].is_on_whatsapp is None
        return [found.get(digits_of(chat_id) or "", NOT_KNOWN) for chat_id in chat_ids]

    async def _known(self, session_id: SessionId, digits: str) -> CheckedChat | None:
        at = self._clock.now().at
        check = await self._records.read(partial(checks.find_check, sessions=[session_id], digits=digits, at=at))
        return None if check is None else _checked(check)

    async def _asked(self, session_id: SessionId, digits: str, until_boot_s: float) -> CheckedChat:
        """Ask in turn; nothing is known when the turn comes too late, or no answer in time."""
        self._forget_idle()
        line = self._lines.setdefault(session_id, _Line())
        line.waiting_count += 1
        try:
            async with asyncio.timeout(max(0.0, until_boot_s - self._clock.now().boot_s)), line.lock:
                return await self._known(session_id, digits) or await self._ask_now(
                    line, session_id, digits, until_boot_s
                )
        except (TimeoutError, EngineError):
            return NOT_KNOWN
        finally:
            line.waiting_count -= 1

    async def _ask_now(self, line: _Line, session_id: SessionId, digits: str, until_boot_s: float) -> CheckedChat:
        if line.free_boot_s > until_boot_s:
            return NOT_KNOWN
        if line.free_boot_s > self._clock.now().boot_s:
            await self._clock.sleep_until(line.free_boot_s)
        try:
            found = await self._ask(session_id, digits)
        finally:
            line.free_boot_s = self._clock.now().boot_s + self._gap_s
        told_at = self._clock.now().at
        check = NumberCheck(session_id=session_id, digits=digits, chat_id=_chat_id(found, digits), checked_at=told_at)
        with suppress(StorageFullError):  # it is known all the same, and asked again the next time
            await self._records.write(partial(checks.note_check, check=check))
        return _checked(check)

    def _forget_idle(self) -> None:
        now_s = self._clock.now().boot_s
        self._lines = {
            name: line for name, line in self._lines.items() if line.waiting_count or line.free_boot_s > now_s
        }


def _note_name(connection: Connection, message: Message, name: str, at: float) -> tuple[None, Sequence[Event]]:
    return None, link(connection, message.origin.user_key, message.recipient.chat_id, name, at)


def _checked(check: NumberCheck) -> CheckedChat:
    return CheckedChat(chat_id=check.chat_id, is_on_whatsapp=check.chat_id is not None, checked_at=check.checked_at)


def _chat_id(found: ContactFound, digits: str) -> str | None:
    match found:
        case ContactFound(exists=True, chat_id=chat_id):
            return chat_id or f"{digits}@c.us"
        case _:
            return None
