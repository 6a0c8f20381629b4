"""Has the audit tell of requests: what was done, what was refused, and keys that do not let in."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from aiohttp import web

from openwa_manager.api.access.records import RECORD, Record, address_of
from openwa_manager.api.admission.rights import FindSession, caller_of
from openwa_manager.api.admission.shown import shown_name
from openwa_manager.api.errors import STATUS_OF
from openwa_manager.api.gateway.errors import GatewayError
from openwa_manager.api.gateway.resource import words_below
from openwa_manager.api.gateway.routes import SESSION_PREFIX
from openwa_manager.api.request_keys import CALLER, LOGIN, REQUEST_ID
from openwa_manager.api.routing import Route
from openwa_manager.domain.access.actions import NEEDS, Action
from openwa_manager.domain.access.audit import REFUSED, NewEntry, entry_of
from openwa_manager.domain.access.callers import NOBODY_KNOWN, Caller
from openwa_manager.domain.access.keys import RefusedKey
from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.domain.session.session import SessionId, is_session_id
from openwa_manager.services.access.audit import Audit

#: What a path may name beside its session. Who is written to is never told: whoever is erased must be gone.
_TARGETS = ("key_id", "endpoint_id", "message_id", "batch_id", "link_id", "user_id")
_WORD = re.compile(r"[a-z-]{1,40}")
#: A caller may not, or asks too often; of other refusals before its route there is nothing to tell.
_KEPT_OUT = frozenset({403, 429})
_BUG = 500


class AuditRecorder:
    """Tells the audit of the requests whose action it is to tell of (`NEEDS`)."""

    def __init__(self, audit: Audit, find: FindSession) -> None:
        self._audit = audit
        self._find = find

    async def record(
        self, request: web.Request, route: Route | None, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Pass the request on, once it is told that it is accepted; then tell what became of it.

        It comes behind whatever may refuse the caller.

        Raises:
            StorageFullError: the audit cannot be written, so nothing may be changed.
        """
        if route is None or route.action is None:
            return await handler(request)
        is_read = request.method in ("GET", "HEAD")
        entry = self._entry(request, caller_of(request), route.action, route)
        record = request[RECORD] = Record(self._audit, entry, NEEDS[route.action], is_read=is_read)
        try:
            if not (is_read or route.reads_first):
                await record.begin()
            response = await handler(request)
        except asyncio.CancelledError:
            record.leave()
            raise
        except Exception as error:
            await record.end(_status_of(error))
            raise
        await record.end(response.status)
        return response

    def note_refusal(self, request: web.Request, route: Route | None, error: OpenwaManagerError) -> None:
        """Take note of a key that does not let in, and of a caller who may not or asks too often."""
        login, caller = request.get(LOGIN), request.get(CALLER)
        if caller is None:
            if isinstance(login, RefusedKey):
                address, request_id = address_of(request), request[REQUEST_ID]
                key = NewEntry(
                    actor=NOBODY_KNOWN,
                    action="key.refused",
                    key_id=login.key_id,
                    address=address,
                    request_id=request_id,
                )
                self._audit.refuse(_refused(key, error))
        elif RECORD not in request and _status_of(error) in _KEPT_OUT:
            action = Action.READ_SESSIONS if route is None or route.action is None else route.action
            self._audit.refuse(_refused(self._entry(request, caller, action, route), error))

    def _entry(self, request: web.Request, caller: Caller, action: Action, route: Route | None) -> NewEntry:
        entry = entry_of(caller, action, address=address_of(request), request_id=request[REQUEST_ID])
        return replace(entry, session_id=self._session_id(request, caller), target=_target(request, route))

    def _session_id(self, request: web.Request, caller: Caller) -> SessionId | None:
        """Return the session that the path names, by our id; also one of which the caller may not know."""
        named = request.match_info
        text = named.get("session_id") or named.get("id")
        if text is None:
            return None
        if "id" in named:
            with suppress(OpenwaManagerError):
                return self._find(text, caller).session_id
        return SessionId(text) if is_session_id(text) else None


def _target(request: web.Request, route: Route | None) -> str | None:
    """Return what the path names beside its session: of OpenWA's many calls which one it is."""
    if route is None:
        return None
    if route.path.startswith(SESSION_PREFIX):
        words = route.path.removeprefix(SESSION_PREFIX)
        if words.startswith("{rest"):  # nobody knows what stands further behind
            words = first if _WORD.fullmatch(first := words_below(request)[0]) else "?"
        return f"{request.method} {words}"
    named = request.match_info
    return next((shown_name(name, named[name]) for name in _TARGETS if name in named), None)


def _refused(entry: NewEntry, error: Exception) -> NewEntry:
    return replace(entry, result=REFUSED, detail={"status": _status_of(error)})


def _status_of(error: Exception) -> int:
    """Return the status with which an error is answered."""
    match error:
        case GatewayError() | web.HTTPException():
            return error.status
        case OpenwaManagerError():
            return STATUS_OF.get(error.code, _BUG)
        case _:
            return _BUG
