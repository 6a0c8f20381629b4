"""What the audit is told of one request, and how a handler adds what only it knows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aiohttp import web

from openwa_manager.api.request_keys import CLIENT
from openwa_manager.domain.access.actions import Action, Need, Recorded
from openwa_manager.domain.access.audit import FAILED, REFUSED, NewEntry
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.access.audit import Audit
from openwa_manager.services.access.waiting_entries import PendingEntry

_OK, _BAD_REQUEST, _SERVER_ERROR, _STORAGE_FULL = 200, 400, 500, 507
#: Who reads and is answered so was kept out; other answers say that there was nothing to read.
_KEPT_OUT = frozenset({403, 404, 429})


class Record:
    """Tells the audit what becomes of one request, by rules that depend on what is asked for (`need`).

    A change is told of before it is done (`begin`), as accepted; the row is on disk with the first thing that the
    handler writes, or before the answer. What is refused is taken back, if it is not too late, and counted with its
    like; what fails is said to have failed. Whoever reads (`is_read`) is told of once there is an answer. What is done
    by the thousand is only counted.
    """

    def __init__(self, audit: Audit, entry: NewEntry, need: Need, *, is_read: bool) -> None:
        self._audit = audit
        self._entry = entry
        self._need = need
        self.is_read = is_read
        self._draft: PendingEntry | None = None
        self._has_begun = False

    @property
    def _is_unhindered(self) -> bool:
        return self._need.is_unhindered or self.is_read

    async def begin(self) -> None:
        """Tell that it is accepted; it is on disk no later than what is written from now on.

        Raises:
            StorageFullError: the audit cannot be written, so nothing may be changed.
        """
        if self._need.recorded is Recorded.COUNTED and not self._is_unhindered:
            await self._audit.require_writable()
        self._has_begun = True
        if self._draft is not None or self._need.recorded is not Recorded.EACH:
            return
        self._draft = self._audit.begin(self._entry)
        if self._audit.is_hindered:
            await self._audit.require(self._draft, is_unhindered=self._is_unhindered)

    async def secure(self) -> None:
        """Return once it is on disk that it is accepted; for what leaves no other trace with us.

        Raises:
            StorageFullError: the audit cannot be written, so nothing may be changed.
        """
        await self.begin()
        if self._draft is not None:
            await self._audit.require(self._draft, is_unhindered=self._is_unhindered)

    def name(
        self,
        *,
        session_id: SessionId | None = None,
        target: str | None = None,
        detail: Mapping[str, Json] | None = None,
    ) -> None:
        """Say to which session, or to what else, it is done, and what."""
        self._entry = replace(
            self._entry,
            session_id=session_id or self._entry.session_id,
            target=target or self._entry.target,
            detail=detail or self._entry.detail,
        )
        if self._draft is not None:
            self._audit.change(self._draft, self._entry)

    async def tell(self, action: Action, session_id: SessionId | None) -> None:
        """Return once it is on disk that something else is done beside it, as far as the disk takes it."""
        entry = replace(self._entry, action=action, session_id=session_id, target=None)
        await self._audit.require(self._audit.begin(entry), is_unhindered=True)

    async def end(self, status: int) -> None:
        """Tell what became of it.

        Raises:
            StorageFullError: it is done, but this is in memory only.
        """
        if status >= _BAD_REQUEST:
            self._fail(status)
        elif self._need.recorded is Recorded.COUNTED:
            self._audit.count(replace(self._entry, request_id=None))
        elif self._need.recorded is Recorded.EACH and (not self.is_read or status == _OK):
            await self._succeed()

    def leave(self) -> None:
        """Take note that the caller has hung up: what was accepted may be done, and is told of as if it were."""
        if self._has_begun and self._need.recorded is Recorded.COUNTED:
            self._audit.count(replace(self._entry, request_id=None))

    def _fail(self, status: int) -> None:
        is_refused = status < _SERVER_ERROR or status == _STORAGE_FULL
        entry = replace(
            self._entry, result=REFUSED if is_refused else FAILED, detail={**self._entry.detail, "status": status}
        )
        if self._need.recorded is Recorded.NEVER or (self.is_read and status not in _KEPT_OUT):
            return
        if is_refused or self._need.recorded is Recorded.COUNTED:
            if self._draft is not None:
                self._audit.withdraw(self._draft)
            self._audit.refuse(entry)
        elif self._draft is None or not self._audit.change(self._draft, entry):
            self._audit.note(entry)

    async def _succeed(self) -> None:
        await self.begin()
        pending = self._draft
        if pending is None:  # pragma: no cover (it has begun)
            return
        if pending.entry != self._entry and not self._audit.change(pending, self._entry):
            pending = self._audit.begin(self._entry)  # it left before its session was known
        await self._audit.require(pending, is_unhindered=self._is_unhindered, is_done=True)


#: Set for every request of a known caller that an action stands for.
RECORD: Final = web.RequestKey("record", Record)


async def begin_record(request: web.Request) -> None:
    """Tell the audit that the request is accepted; its body or query has been read.

    Raises:
        StorageFullError: the audit cannot be written, so nothing may be changed.
    """
    if (record := request.get(RECORD)) is not None and not record.is_read:
        await record.begin()


async def secure_record(request: web.Request) -> None:
    """Return once it is on disk that the request is accepted, if the audit is to tell of it.

    Raises:
        StorageFullError: the audit cannot be written, so nothing may be changed.
    """
    if (record := request.get(RECORD)) is not None:
        await record.secure()


def name_in_record(
    request: web.Request,
    *,
    session_id: SessionId | None = None,
    target: str | None = None,
    detail: Mapping[str, Json] | None = None,
) -> None:
    """Say in the audit to which session, or to what else, it is done, and what; no secret belongs in `detail`."""
    if (record := request.get(RECORD)) is not None:
        record.name(session_id=session_id, target=target, detail=detail)


async def record_shown_code(request: web.Request, session_id: SessionId | None) -> None:
    """Return once it is on disk that this caller is shown a session's code, as far as the disk takes it."""
    if (record := request.get(RECORD)) is not None:
        await record.tell(Action.READ_QR, session_id)


def address_of(request: web.Request) -> str | None:
    """Return where a caller is, as the audit tells it; None: on this host, by the unix socket."""
    client = request.get(CLIENT)
    return None if client is None else str(client)
