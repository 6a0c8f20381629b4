"""What an engine that speaks OpenWA's HTTP does with messages (`domain.ports.CanSend`)."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import TypeVar

from openwa_manager.domain.errors import EngineError, FilesStuckError
from openwa_manager.domain.messaging.outcomes import NotReached, Outgoing, SendAnswer
from openwa_manager.domain.messaging.retries import EngineMemory
from openwa_manager.domain.messaging.sightings import ContactFound, SeenMessage
from openwa_manager.domain.session.reasons import Restriction
from openwa_manager.domain.session.session import DataState, Launch, Session
from openwa_manager.engines import mapping
from openwa_manager.engines.http import inner_sessions
from openwa_manager.engines.http.client import EngineClient
from openwa_manager.engines.http.messaging import MessagingClient

T = TypeVar("T")
_DIGEST_CHARS = 32


class Messenger(ABC):
    """Sends a session's messages through its OpenWA, and asks it about them."""

    @abstractmethod
    async def _lines_of(self, session: Session, launch: Launch) -> tuple[EngineClient, MessagingClient]:
        """Return our connections to this launch."""

    @abstractmethod
    async def inspect_data(self, session: Session, directory: Path) -> DataState:
        """Return which files the engine works on."""

    async def send(self, session: Session, launch: Launch, outgoing: Outgoing, key: str | None) -> SendAnswer:
        """Ask for this message once, and return what came of it."""
        engine, messaging = await self._lines_of(session, launch)
        try:
            inner_id = await inner_sessions.inner_id(engine, session)
        except EngineError as error:
            return NotReached(detail=str(error))
        return await messaging.send(inner_id, outgoing, key)

    async def check_contact(self, session: Session, launch: Launch, digits: str) -> ContactFound:
        """Return whether a number is on WhatsApp.

        Raises:
            EngineError: it did not answer, or wrongly, or is not connected.
        """
        engine, messaging = await self._lines_of(session, launch)
        return await messaging.check_contact(await inner_sessions.inner_id(engine, session), digits)

    async def list_chats(self, session: Session, launch: Launch) -> Sequence[str]:
        """Return the ids of the account's chats, at most 5,000.

        Raises:
            EngineError: it did not answer, or wrongly, or is not connected.
        """
        engine, messaging = await self._lines_of(session, launch)
        return await messaging.list_chats(await inner_sessions.inner_id(engine, session))

    async def find_sent(self, session: Session, launch: Launch, chat_id: str) -> Sequence[SeenMessage]:
        """Return what left through the account in this chat, of late, newest first.

        Raises:
            EngineError: it did not answer, or wrongly.
        """
        engine, messaging = await self._lines_of(session, launch)
        return await messaging.find_sent(await inner_sessions.inner_id(engine, session), chat_id)

    async def read_restriction(self, session: Session, launch: Launch) -> Restriction | None:
        """Return what WhatsApp took from the account, as OpenWA's record says now.

        Raises:
            EngineError: it did not answer, or wrongly.
        """
        engine, _ = await self._lines_of(session, launch)
        return mapping.restriction_of(await engine.session(await inner_sessions.inner_id(engine, session)))

    async def memory(self, session: Session, launch: Launch, directory: Path) -> EngineMemory:
        """Return where this launch keeps the keys of messages; a part that cannot be told is None."""
        engine, messaging = await self._lines_of(session, launch)
        try:
            data_id = data_id_of(await self.inspect_data(session, directory))
        except (FilesStuckError, OSError):
            data_id = None
        return EngineMemory(
            version=await _told(messaging.version()),
            inner_id=await _told(inner_sessions.inner_id(engine, session)),
            data_id=data_id,
        )


def data_id_of(state: DataState) -> str | None:
    """Return by what the files are known among all others; None when some are missing or damaged."""
    if state.directory is None or not state.databases or state.damaged:
        return None
    facts = [state.directory, *(f"{name} {identity}" for name, identity in sorted(state.databases.items()))]
    return hashlib.sha256("\n".join(facts).encode("utf-8", "surrogateescape")).hexdigest()[:_DIGEST_CHARS]


async def _told(asking: Awaitable[T]) -> T | None:
    try:
        return await asking
    except EngineError:
        return None
