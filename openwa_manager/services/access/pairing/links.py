"""Makes links by which a session is paired without a key, follows what becomes of them, and ends them.

A link is known by the hash of its token. It ends when the session is linked, by time, with its session, and with the
key that made it; what has ended is unknown, as what never was.
"""

import asyncio
import math
import secrets
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from openwa_manager.domain.access.actions import Action, Allowed, may
from openwa_manager.domain.access.audit import NewEntry
from openwa_manager.domain.access.callers import PAIRING_LINK, Caller
from openwa_manager.domain.access.keys import KeyRevoked
from openwa_manager.domain.access.pairing_links import (
    CODES_MAX,
    LINKS_MAX,
    LinkId,
    PairingLink,
    PairingState,
    state_of,
)
from openwa_manager.domain.access.secret_hashes import sha256_of
from openwa_manager.domain.delivery.events import Event, Json, StoredEvent
from openwa_manager.domain.errors import (
    BoundElsewhereError,
    IllegalTransitionError,
    LinkOverError,
    OpenwaManagerError,
    RateLimitedError,
    SessionNotFoundError,
)
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import SessionId, Status
from openwa_manager.services.access.audit import Audit
from openwa_manager.services.access.key_ring import KeyRing
from openwa_manager.services.access.pairing.open_link import OpenLink
from openwa_manager.services.access.pairing.view import PairingView, is_same
from openwa_manager.services.changes import Changes
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.sessions.requests import SessionRequests
from openwa_manager.store.access import pairing_links
from openwa_manager.store.database import Database, SqliteError
from openwa_manager.store.ids import new_id

_log = structlog.get_logger()

#: 256 bits: nobody finds a link, or passes for a browser, by trying.
_SECRET_BYTES: Final = 32
#: After so much silence a page is told that nothing is new, so that both sides notice a broken connection.
_SILENCE_S: Final = 15.0
#: How often the disk is tried again that could not take the end of a link.
_RETRY_S: Final = 5.0
#: Of these events a link ends, and why.
_LINKED, _DELETED, _REVOKED, _LATE, _SURPLUS = "linked", "session deleted", "key revoked", "time over", "newer links"
_ENDINGS: Final = {"session.connected": _LINKED, "session.deleted": _DELETED}


class PairingLinks:
    """All links that hold; `keys` tells whether the one that made a link still lets anybody in."""

    def __init__(
        self,
        sessions: SessionDirectory,
        requests: SessionRequests,
        database: Database,
        clock: Clock,
        keys: KeyRing,
        audit: Audit,
    ) -> None:
        self._sessions = sessions
        self._requests = requests
        self._database = database
        self._clock = clock
        self._keys = keys
        self._audit = audit
        self._open: dict[bytes, OpenLink] = {}
        #: Those by which a session was linked, until their time is over: their page may have been asleep meanwhile.
        self._used: dict[bytes, OpenLink] = {}
        self._unrecorded: dict[LinkId, None] = {}
        self._looks = asyncio.Event()

    async def give_up(self) -> None:
        """End all links of a database that was put back, before they are loaded: some may have been used since."""
        await self._database.write(partial(pairing_links.end_all, at=self._clock.now().at))

    async def load(self) -> None:
        """Take up the links of the daemon before this one; what has ended meanwhile ends now."""
        now = self._clock.now()
        for link in await self._database.read(pairing_links.load_links):
            left_s = min(link.expires_at - now.at, link.expires_at - link.created_at)
            found = OpenLink(link, now.boot_s + left_s)
            self._open[link.token_sha256] = found
            if not self._may_hold(link):
                self._end(found, _REVOKED)
            elif not self._has_session(link.session_id):
                self._end(found, _DELETED)
            elif self._sessions.get(link.session_id).status is Status.CONNECTED:
                self._end(found, _LINKED)

    async def run(self) -> None:
        """End links whose time is over, and record what has ended, until cancelled."""
        while True:
            now = self._clock.now()
            for each in [each for each in self._open.values() if each.due_boot_s <= now.boot_s]:
                self._end(each, _LATE)
            self._used = {token: each for token, each in self._used.items() if each.due_boot_s > now.boot_s}
            is_recorded = await self._record_ends()
            due = [each.due_boot_s for each in (*self._open.values(), *self._used.values())]
            if not is_recorded:
                due.append(self._clock.now().boot_s + _RETRY_S)
            await self._clock.wait(self._looks, min(due, default=None))
            self._looks.clear()

    def close(self) -> None:
        """End all streams: the daemon is about to end. The links themselves go on with the next one."""
        for each in self._open.values():
            each.send_away()

    def require_possible(self, session_id: SessionId) -> None:
        """Return if a session may be linked.

        Raises:
            SessionNotFoundError: there is none.
            IllegalTransitionError: it is linked already.
        """
        if self._sessions.get(session_id).status is Status.CONNECTED:
            raise IllegalTransitionError(f"{session_id} is linked already: log it out first")

    async def create(
        self, caller: Caller, session_id: SessionId, ttl_s: float, phone_number: str | None
    ) -> tuple[str, PairingLink]:
        """Return the token of a new link, which is told this once, and the link.

        Raises:
            SessionNotFoundError: there is no such session.
            IllegalTransitionError: it is linked already.
            StorageFullError: it could not be recorded; there is no link.
            LinkOverError: it has ended meanwhile: its key was revoked, its session deleted or linked.
        """
        self.require_possible(session_id)
        token, now = secrets.token_urlsafe(_SECRET_BYTES), self._clock.now()
        link = PairingLink(
            link_id=LinkId(new_id("plk", now.at)),
            token_sha256=sha256_of(token),
            session_id=session_id,
            phone_number=phone_number,
            created_at=now.at,
            created_by=caller.name,
            key_id=caller.key_id,
            expires_at=now.at + ttl_s,
        )
        # It holds before it is recorded: its session, or its key, may go meanwhile, and it must go with them.
        found = self._open[link.token_sha256] = OpenLink(link, now.boot_s + ttl_s)
        if not self._may_hold(link):  # what ended it was told before it was
            self._open.pop(link.token_sha256, None)
            raise LinkOverError("the key that asks for this link holds no more")
        try:
            await self._database.write(partial(pairing_links.add_link, link=link))
        except BaseException:
            self._open.pop(link.token_sha256, None)
            raise
        if found.ended_because is not None:
            self._unrecorded[link.link_id] = None  # it was not on disk yet when that was recorded
            self._looks.set()
            raise LinkOverError(f"this link has ended already: {found.ended_because}")
        self._end_surplus(session_id)
        self._looks.set()
        return token, link

    def find(self, token: str, browser: str | None = None) -> OpenLink:
        """Return the link that has this token; one that was used is still told to the browser that used it.

        Raises:
            LinkOverError: none has, or not any more.
        """
        token_sha256, now_s = sha256_of(token), self._clock.now().boot_s
        found = self._open.get(token_sha256)
        if found is not None and found.due_boot_s > now_s:
            return found
        used = self._used.get(token_sha256)
        if used is not None and used.is_of(browser):
            return used
        raise LinkOverError("this link does not hold, or not any more")

    async def begin(self, found: OpenLink, browser: str | None, address: str | None) -> str:
        """Have the session show codes for this browser; return the secret by which the link knows it.

        `address` is where the browser is, as the audit tells it.

        Raises:
            LinkOverError: the link has ended meanwhile.
            BoundElsewhereError: it belongs to another browser.
            IllegalTransitionError: the session cannot be linked now.
            StorageFullError: it could not be recorded.
        """
        async with found.turn:
            secret = browser if browser is not None and found.is_of(browser) else None
            if secret is None:
                secret = await self._bind(found, address)
            if found.ended_because is None:
                await self._show_codes(found, address)
        return secret

    async def _bind(self, found: OpenLink, address: str | None) -> str:
        if found.ended_because is not None:
            raise LinkOverError("this link does not hold any more")
        if found.link.browser_sha256 is not None:
            raise BoundElsewhereError("this link belongs to another browser")
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        bound = sha256_of(secret)
        bind = partial(pairing_links.bind_link, link_id=found.link.link_id, browser_sha256=bound)
        await self._database.write(bind)
        found.change(lambda link: replace(link, browser_sha256=bound))
        self._note(found, "bound", address)
        return secret

    async def _show_codes(self, found: OpenLink, address: str | None) -> None:
        link = found.link
        try:
            await self._requests.pair(link.session_id, link.phone_number)
        except SessionNotFoundError as error:
            self._end(found, _DELETED)
            raise LinkOverError("this link does not hold any more") from error
        except IllegalTransitionError:
            if self._sessions.get(link.session_id).status is not Status.CONNECTED:
                raise
            self._end(found, _LINKED)
            return
        self._note(found, "opened", address)

    async def request_code(self, found: OpenLink, phone_number: str, address: str | None) -> str:
        """Return a code to type into the phone with this number (digits); `address` as in `begin`.

        Raises:
            LinkOverError: the link has ended meanwhile.
            RateLimitedError: as many were asked for as there may be.
            IllegalTransitionError: no code can come now.
            EngineError: the engine gives none.
            StorageFullError: it could not be recorded.
        """
        async with found.turn:
            if found.ended_because is not None:
                raise LinkOverError("this link does not hold any more")
            if not found.link.codes_left:
                left_s = math.ceil(self.view(found).link_left_s)
                raise RateLimitedError(f"a link asks for {CODES_MAX} codes at most", max(1, left_s))
            state = self.view(found).state
            if state not in (PairingState.CODE, PairingState.PREPARING):
                raise IllegalTransitionError("no code can come now")
            count = partial(pairing_links.count_code, link_id=found.link.link_id)
            await self._database.write(count)
            found.change(lambda link: replace(link, code_count=link.code_count + 1))
            self._note(found, "code", address)
            code = await self._requests.request_pairing_code(found.link.session_id, phone_number)
            if found.ended_because is not None:
                raise LinkOverError("this link does not hold any more")
            return code

    def view(self, found: OpenLink) -> PairingView:
        """Return what the page of a link has to show now."""
        if found.ended_because is not None or not self._has_session(found.link.session_id):
            return PairingView(state=PairingState.LINKED if found.ended_because == _LINKED else PairingState.OVER)
        session, now = self._sessions.get(found.link.session_id), self._clock.now()
        image = self._sessions.qr_image(session.session_id)
        qr = session.qr if image is not None else None
        return PairingView(
            state=state_of(session, has_code=qr is not None),
            image=image if qr is not None else None,
            code_left_s=None if qr is None else qr.left_s(now.at, now.boot_s),
            link_left_s=max(0.0, found.due_boot_s - now.boot_s),
            codes_left=found.link.codes_left,
        )

    async def follow(self, found: OpenLink) -> AsyncGenerator[PairingView | None]:
        """Yield what the page has to show, now and whenever it is another; None after a while without news."""
        watcher, seen = found.join(), None
        try:
            while not watcher.is_sent_away:
                watcher.news.clear()
                view = self.view(found)
                yield None if is_same(view, seen) else view
                if view.state in (PairingState.LINKED, PairingState.OVER):
                    return
                seen = view
                wait_s = min(_SILENCE_S, view.code_left_s or _SILENCE_S)
                await self._clock.wait(watcher.news, self._clock.now().boot_s + wait_s)
        finally:
            found.leave(watcher)

    def subscribe_to(self, changes: Changes) -> None:
        """Hear of what ends links, from now on."""
        changes.events_stored.subscribe(self._note_events)
        changes.key_revoked.subscribe(self._note_revoked)

    def _note_events(self, stored: Sequence[StoredEvent]) -> None:
        """Hear of what has happened to sessions: some of it ends a link, all of it may change what a page shows."""
        named = {each.event.session_id for each in stored}
        for found in [each for each in self._open.values() if each.link.session_id in named]:
            found.wake()
            for each in stored:
                if each.event.session_id == found.link.session_id:
                    self._hear(found, each.event)

    def _hear(self, found: OpenLink, event: Event) -> None:
        if event.data.get("reason") == ReasonCode.WRONG_NUMBER and event.type == "session.logged_out":
            self._note(found, "wrong_number")
        if (because := _ENDINGS.get(event.type)) is not None:
            self._end(found, because)

    def _note_revoked(self, revoked: KeyRevoked) -> None:
        """End the links that a key has made which allows less from now on; one that has a new text allows the same."""
        if revoked.secret_sha256 is None:
            for found in [each for each in self._open.values() if each.link.key_id == revoked.key_id]:
                self._end(found, _REVOKED)

    def _end_surplus(self, session_id: SessionId) -> None:
        own = [each for each in self._open.values() if each.link.session_id == session_id]
        for found in own[: max(0, len(own) - LINKS_MAX)]:
            self._end(found, _SURPLUS)

    def _end(self, found: OpenLink, because: str) -> None:
        """End a link for everybody from now on; that is recorded soon."""
        if self._open.pop(found.link.token_sha256, None) is None:
            return
        found.ended_because = because
        if because == _LINKED and found.link.browser_sha256 is not None:
            self._used[found.link.token_sha256] = found
        found.wake()
        self._unrecorded[found.link.link_id] = None
        self._looks.set()
        self._note(found, "ended", why=because)

    async def _record_ends(self) -> bool:
        """Record what has ended; tell whether all of it is on disk."""
        try:
            while self._unrecorded:
                link_id = next(iter(self._unrecorded))
                await self._database.write(partial(pairing_links.end_link, link_id=link_id, at=self._clock.now().at))
                self._unrecorded.pop(link_id, None)
        except (OpenwaManagerError, SqliteError) as error:
            _log.warning("pairing_link_end_not_recorded", error=str(error))
            return False
        return True

    def _note(self, found: OpenLink, step: str, address: str | None = None, **detail: Json) -> None:
        """Tell the log and the audit of a step in the life of a link; it is done by somebody without a key."""
        link = found.link
        _log.info(f"pairing_link_{step}", link_id=link.link_id, session_id=link.session_id, **detail)
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        self._audit.note(
            NewEntry(
                actor=PAIRING_LINK,
                action=f"pairing_link.{step}",
                session_id=link.session_id,
                target=link.link_id,
                detail=detail,
                address=address,
                request_id=request_id,
            )
        )

    def _may_hold(self, link: PairingLink) -> bool:
        """Tell whether the key that made a link could make it now."""
        if link.key_id is None:
            return True
        key = self._keys.find(link.key_id)
        if key is None or not key.is_usable(self._clock.now().at):
            return False
        return isinstance(may(key.caller, Action.CREATE_PAIRING_LINK, link.session_id), Allowed)

    def _has_session(self, session_id: SessionId) -> bool:
        try:
            self._sessions.get(session_id)
        except SessionNotFoundError:
            return False
        return True
