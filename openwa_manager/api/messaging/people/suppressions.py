"""Shows and changes the lists of whom a user's sessions never write to, as JSON and as CSV."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from aiohttp import web
from pydantic import ValidationError

from openwa_manager.api.lists.pages import write_within
from openwa_manager.api.messaging.people.dependencies import PeopleDependencies
from openwa_manager.api.messaging.people.models import (
    REASON_MAX_CHARS,
    ImportOut,
    RejectedRowOut,
    SuppressionIn,
    SuppressionOut,
    SuppressionPage,
    SuppressionsQuery,
)
from openwa_manager.api.messaging.people.paths import user_key_in
from openwa_manager.api.messaging.people.suppression_files import (
    FILE_MAX_BYTES,
    SuppressionRow,
    header,
    read_rows,
    written,
)
from openwa_manager.api.requests import Nothing, object_text
from openwa_manager.api.routing import Answer, Call, Route, json_answer, read_up_to, refusal_of, require_json, route
from openwa_manager.domain import foreign_json
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.errors import InvalidInputError, InvalidRecipientError, NotOnListError
from openwa_manager.domain.messaging.messages import UserKey
from openwa_manager.domain.times import iso8601
from openwa_manager.services.messaging.people.suppressions import Wanted
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.store.messaging.people.suppressions import Suppression

CSV = "text/csv"
#: Why somebody is on a list, where nobody said.
MANUAL = "manual"
IMPORTED = "imported"
#: One of them as JSON, or many as a file.
_TAKEN = (SuppressionIn, CSV)

_BODY_MAX_BYTES = 16 << 10
#: How many lines that name nobody are told of one by one.
_REJECTED_MAX = 100
#: So many lines are looked at in one go: numbers take their time.
_LOOKED_AT = 200


class SuppressionRoutes:
    """`/v1/users/{user_id}/suppressions…` and `/v1/sessions/{session_id}/suppressions…`."""

    def __init__(self, sessions: SessionDirectory, people: PeopleDependencies) -> None:
        self._sessions = sessions
        self._users = people.users
        self._lists = people.suppressions

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        added = {200: (SuppressionOut, ImportOut), 201: (SuppressionOut,), 409: (), 507: ()}
        removed, page = {204: (None,), 507: ()}, {200: (SuppressionPage, CSV)}
        shown = {200: (SuppressionOut,)}
        of_user, own = "/v1/users/{user_id}/suppressions", "/v1/sessions/{session_id}/suppressions"
        of_nobody: dict[int, tuple[Answer, ...]] = {409: ()}  # the session has a user, whose list is meant
        return (
            route(f"GET {of_user}", Action.READ_SUPPRESSIONS, self.list_some, SuppressionsQuery, page),
            replace(route(f"POST {of_user}", Action.CHANGE_SUPPRESSIONS, self.add, Nothing, added), takes=_TAKEN),
            route(f"GET {of_user}/{{to}}", Action.READ_SUPPRESSIONS, self.show, Nothing, shown),
            route(f"DELETE {of_user}/{{to}}", Action.CHANGE_SUPPRESSIONS, self.remove, Nothing, removed),
            route(f"GET {own}", Action.READ_SUPPRESSIONS, self.list_own, SuppressionsQuery, page | of_nobody),
            replace(route(f"POST {own}", Action.CHANGE_SUPPRESSIONS, self.add_own, Nothing, added), takes=_TAKEN),
            route(f"GET {own}/{{to}}", Action.READ_SUPPRESSIONS, self.show_own, Nothing, shown | of_nobody),
            route(f"DELETE {own}/{{to}}", Action.CHANGE_SUPPRESSIONS, self.remove_own, Nothing, removed | of_nobody),
        )

    async def list_some(self, call: Call[SuppressionsQuery]) -> web.StreamResponse:
        """List whom the user's sessions never write to; `Accept: text/csv` gives the whole list as a file."""
        user_key = await user_key_in(call.request, self._sessions, self._users)
        if CSV in call.request.headers.get("Accept", ""):
            return await self._export(call.request, user_key)
        limit = call.arguments.limit
        found = await self._lists.page(user_key, call.arguments.cursor or "", limit + 1)
        cursor = found[limit - 1].name_sha256 if len(found) > limit else None
        return json_answer(SuppressionPage(suppressions=[out(each) for each in found[:limit]], next_cursor=cursor))

    async def add(self, call: Call[Nothing]) -> web.Response:
        """Put somebody on the list and call off what waits for him; a body of type text/csv adds many at once."""
        user_key = await user_key_in(call.request, self._sessions, self._users)
        if call.request.content_type == CSV:
            return json_answer(await self._import(user_key, await read_up_to(call.request, FILE_MAX_BYTES)))
        given = await _read_body(call.request)
        is_new = await self._lists.add(user_key, Wanted(to=given.to, reason=given.reason or MANUAL))
        return json_answer(out(await self._find(user_key, given.to)), 201 if is_new else 200)

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Show what the list says of somebody; 404 when he is not on it."""
        user_key = await user_key_in(call.request, self._sessions, self._users)
        return json_answer(out(await self._find(user_key, call.request.match_info["to"])))

    async def remove(self, call: Call[Nothing]) -> web.Response:
        """Take somebody off the list; he may be written to again."""
        user_key = await user_key_in(call.request, self._sessions, self._users)
        if not await self._lists.remove(user_key, call.request.match_info["to"]):
            raise NotOnListError("this number is not on the list")
        return web.Response(status=204)

    async def list_own(self, call: Call[SuppressionsQuery]) -> web.StreamResponse:
        """List whom a session without user never writes to."""
        return await self.list_some(call)

    async def add_own(self, call: Call[Nothing]) -> web.Response:
        """Put somebody on the list of a session without user."""
        return await self.add(call)

    async def show_own(self, call: Call[Nothing]) -> web.Response:
        """Show what the list of a session without user says of somebody."""
        return await self.show(call)

    async def remove_own(self, call: Call[Nothing]) -> web.Response:
        """Take somebody off the list of a session without user."""
        return await self.remove(call)

    async def _find(self, user_key: UserKey, to: str) -> Suppression:
        found = await self._lists.find(user_key, to)
        if found is None:
            raise NotOnListError("this number is not on the list")
        return found

    async def _export(self, request: web.Request, user_key: UserKey) -> web.StreamResponse:
        head = {"Content-Disposition": 'attachment; filename="suppressions.csv"'}
        response = web.StreamResponse(headers=head)
        response.content_type, response.charset = CSV, "utf-8"
        await response.prepare(request)
        if request.method != "HEAD":
            await write_within(response, header())
            after = ""
            while found := await self._lists.page(user_key, after, 1000):
                await write_within(response, written(found))
                after = found[-1].name_sha256
        await response.write_eof()
        return response

    async def _import(self, user_key: UserKey, body: bytes) -> ImportOut:
        rows = await asyncio.to_thread(lambda: list(read_rows(body)))
        added, rejected = 0, list[RejectedRowOut]()
        for first in range(0, len(rows), _LOOKED_AT):
            chats, bad = await asyncio.to_thread(self._chats_of, rows[first : first + _LOOKED_AT])
            added += await self._lists.add_many(user_key, chats)
            rejected += bad
        already = len(rows) - len(rejected) - added
        return ImportOut(added=added, already=already, rejected_count=len(rejected), rejected=rejected[:_REJECTED_MAX])

    def _chats_of(self, rows: Iterable[SuppressionRow]) -> tuple[list[tuple[str, str]], list[RejectedRowOut]]:
        chats, rejected = list[tuple[str, str]](), list[RejectedRowOut]()
        for row in rows:
            try:
                chats.append((self._lists.chat_id(row.to), _reason(row.reason)))
            except (InvalidRecipientError, InvalidInputError) as error:
                rejected.append(RejectedRowOut(line=row.line, code=error.code, detail=str(error)))
        return chats, rejected


def out(found: Suppression) -> SuppressionOut:
    """Return a name on a list as callers get it."""
    return SuppressionOut(to=found.name, reason=found.reason, created_at=iso8601(found.created_at))


def _reason(given: str) -> str:
    return "".join(each for each in given if each.isprintable())[:REASON_MAX_CHARS] or IMPORTED


async def _read_body(request: web.Request) -> SuppressionIn:
    require_json(request)
    raw = await read_up_to(request, _BODY_MAX_BYTES)
    try:
        return SuppressionIn.model_validate_json(foreign_json.make_safe(object_text(raw), max_values=100))
    except ValidationError as error:
        raise refusal_of(error) from error
