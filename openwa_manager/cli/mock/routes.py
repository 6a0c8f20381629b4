"""`/_mock`: how an application's tests see what WhatsApp got, have things go wrong, and begin anew."""

import asyncio
import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Final, NoReturn

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from openwa_manager.api.admission.host_check import HostCheck
from openwa_manager.api.admission.peers.connection import unix_socket
from openwa_manager.cli.mock import books
from openwa_manager.cli.mock.controls import CONTROLS, Control
from openwa_manager.cli.mock.line import ask_for_reset
from openwa_manager.domain import foreign_json
from openwa_manager.domain.errors import SessionNotFoundError, UnreadableJsonError
from openwa_manager.domain.values import dataclass
from openwa_manager.services.sessions.directory import SessionDirectory

_PREFIX: Final = "/_mock"
_BODY_MAX_BYTES, _VALUE_MAX = 64 * 1024, 16 * 1024
_BODY_WITHIN_S = 10.0
#: An engine that was told to hang answers this one still.
_ENGINE_WITHIN_S = 5.0
#: How long requests may take to come of those who are connected already when somebody asks for a reset.
_TOGETHER_S = 0.01
_OVERVIEW: Final[Mapping[str, str]] = {
    "GET /_mock/messages?session=&to=&after=&limit=": "what WhatsApp got, in order",
    "DELETE /_mock/messages": "forget that",
    "POST /_mock/reset": "begin anew: no sessions, messages, keys, events",
    **{f"POST /_mock/sessions/{{id}}/{verb}": each.what for verb, each in CONTROLS.items()},
}


class MockError(Exception):
    """A call of `/_mock` that cannot be served; the message is for its caller."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What a world has of its keeper: the line, and the socket that both listen at."""

    line: socket.socket
    listener: socket.socket


class MockRoutes:
    """Answers what lies below `/_mock`, to whoever asks: it holds nothing."""

    def __init__(self, sessions: SessionDirectory, path: Path, keeper: Keeping, host_check: HostCheck) -> None:
        self._sessions = sessions
        self._books = path
        self._keeper = keeper
        self._host_check = host_check
        self._askers: list[int] = []

    @web.middleware
    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer, or pass on what is not ours."""
        if request.path != _PREFIX and not request.path.startswith(f"{_PREFIX}/"):
            return await handler(request)
        try:
            return await self._serve(request)
        except MockError as error:
            return _json({"status": error.status, "detail": str(error)}, error.status)

    async def _serve(self, request: web.Request) -> web.Response:
        if unix_socket(request) is None and not self._host_check.is_for_us(request):
            raise MockError(421, "this Host is not served here: call the mock by its address")
        match request.method, request.path.removeprefix(_PREFIX).strip("/").split("/"):
            case "GET" | "HEAD", [""]:
                return _overview(request)
            case "GET" | "HEAD", ["messages"]:
                return await self._show_messages(request)
            case "DELETE", ["messages"]:
                return _json({"deleted": await asyncio.to_thread(books.clear, self._books)})
            case "POST", ["reset"]:
                await self._reset(request)
            case "POST", ["sessions", session_id, verb]:
                return await self._control(request, session_id, verb)
        raise MockError(404, f"there is no {request.method} {request.path}; GET {_PREFIX} lists what there is")

    async def _show_messages(self, request: web.Request) -> web.Response:
        query = request.query
        _refuse_unknown(query, ("session", "to", "after", "limit"))
        question = books.Question(
            session=query.get("session"),
            to=query.get("to"),
            after=_count(query, "after", 0),
            limit=min(_count(query, "limit", books.LIMIT_MAX), books.LIMIT_MAX),
        )
        messages = await asyncio.to_thread(books.read, self._books, question)
        if _wants_page(request):
            return web.Response(text=books.page(messages), content_type="text/html")
        return _json({"messages": messages, "count": len(messages)})

    async def _reset(self, request: web.Request) -> NoReturn:
        """Have the keeper replace all of this, and answer on this connection in our stead."""
        connection = None if request.transport is None else request.transport.get_extra_info("socket")
        if connection is None:
            raise MockError(409, "the connection is gone")
        if connection.family not in (socket.AF_INET, socket.AF_INET6):
            raise MockError(409, "reset by HTTP: the unix socket is gone with the home")
        if request.can_read_body:
            await _body_of(request)  # what is left unread when a connection is closed breaks the answer, too
        try:
            own = os.dup(connection.fileno())  # he may hang up meanwhile, and another get the number
        except OSError as error:
            raise MockError(503, f"no reset now: {error.strerror}") from error
        if not self._askers:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._keeper.listener)  # who connects from now on waits for the next world
            loop.call_later(_TOGETHER_S, self._ask_for_reset)
        self._askers.append(own)
        await asyncio.Event().wait()
        raise AssertionError  # pragma: no cover (the process has ended)

    def _ask_for_reset(self) -> None:
        for descriptor in self._askers:
            with suppress(OSError):  # the keeper is gone, and this process ends
                ask_for_reset(self._keeper.line, descriptor)
            os.close(descriptor)
        self._askers.clear()

    async def _control(self, request: web.Request, session_id: str, verb: str) -> web.Response:
        control = CONTROLS.get(verb)
        if control is None:
            raise MockError(404, f"there is no {verb!r}; there are {', '.join(CONTROLS)}")
        given = await _values(request, control)
        try:
            launch = self._sessions.get(session_id).launch
        except SessionNotFoundError as error:
            raise MockError(404, f"there is no session {session_id!r}") from error
        if launch is None or launch.socket is None:
            raise MockError(409, f"{session_id} has no engine that runs: start it first")
        return await _ask_engine(launch.socket, control.verb, {**given, **control.fixed})


async def _ask_engine(path: Path, verb: str, values: Mapping[str, str]) -> web.Response:
    timeout = aiohttp.ClientTimeout(total=_ENGINE_WITHIN_S)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as client,
            client.post(f"http://localhost/_sim/{verb}", params=values) as answer,
        ):
            said = foreign_json.parse(await answer.read())
    except (aiohttp.ClientError, OSError, TimeoutError, UnreadableJsonError) as error:
        raise MockError(409, f"the engine does not answer: {str(error) or 'not in time'}") from error
    if answer.status != 200 or not isinstance(said, dict):
        raise MockError(409, f"the engine refused with {answer.status}")
    if said.get("ok") is False:
        raise MockError(409, "there is no code to scan: the session must be qr_ready")
    return _json({"ok": True})


async def _values(request: web.Request, control: Control) -> dict[str, str]:
    """Return what the query and a body of JSON give."""
    given: dict[str, object] = dict(request.query)
    if request.can_read_body:
        body = await _body_of(request)
        try:
            sent = foreign_json.parse(body) if body.strip() else {}
        except UnreadableJsonError as error:
            raise MockError(400, "the body is no JSON") from error
        if not isinstance(sent, dict):
            raise MockError(400, "the body is no object")
        given |= sent
    _refuse_unknown(given, control.names)
    values = {name: str(value) for name, value in given.items()}
    if any(len(each) > _VALUE_MAX for each in values.values()):
        raise MockError(413, f"a value has more than {_VALUE_MAX} characters")
    return values


async def _body_of(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(_BODY_WITHIN_S):
            body = await request.read()
    except TimeoutError as error:
        raise MockError(408, "the body did not come") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise MockError(413, "the body is too large") from error
    if len(body) > _BODY_MAX_BYTES:
        raise MockError(413, f"the body has more than {_BODY_MAX_BYTES} bytes")
    return body


def _refuse_unknown(given: Mapping[str, object], names: tuple[str, ...]) -> None:
    if unknown := [name for name in given if name not in names]:
        raise MockError(422, f"{unknown[0]!r} is not known; there are {', '.join(names) or 'none'}")


def _count(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise MockError(422, f"{name}: write a whole number")
    return int(text)


def _overview(request: web.Request) -> web.Response:
    if not _wants_page(request):
        return _json(_OVERVIEW)
    items = "".join(f"<li><code>{escape(call)}</code>: {escape(what)}" for call, what in _OVERVIEW.items())
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>The mock</title><h1>The mock</h1><ul>{items}</ul>'
    )
    return web.Response(text=text, content_type="text/html")


def _wants_page(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(body), status=status, content_type="application/json")
