"""Does what every request needs: an id, a line in the log, common headers, and a cut where an answer breaks off."""

import asyncio
import random
import re
from collections.abc import Iterable

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from openwa_manager.api.admission.refusal_log import RefusalLog
from openwa_manager.api.admission.shown import is_request_id, shown_path
from openwa_manager.api.browsers.headers import secure
from openwa_manager.api.deadline import begin_to_answer
from openwa_manager.api.request_keys import BEGUN_ANSWER, CALLER, REQUEST_ID
from openwa_manager.api.routing import Route
from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.metrics.tallies import RequestTally

_log = structlog.get_logger()

#: Requests to engines come by the thousand; what they change in sessions, the sessions log themselves.
_FORWARDED = "/api/sessions/"
#: What a parameter of a path must be like; it is no part of the route's name.
_PATTERN = re.compile(r":[^{}]*}")
#: From this status on a request was not served.
_REFUSED = 400


@web.middleware
async def assign_request_id(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, the caller's own if it is fit for the log; every log line of the request carries it."""
    proposed = request.headers.get("X-Request-ID", "")
    # A name, no secret: what the system gives for secrets takes far longer.
    request[REQUEST_ID] = proposed if is_request_id(proposed) else f"{random.getrandbits(128):032x}"
    with structlog.contextvars.bound_contextvars(request_id=request[REQUEST_ID]):
        return await handler(request)


class AnswerLog:
    """Logs how requests ended: as info what may have changed something, as debug what reads or is forwarded."""

    def __init__(self) -> None:
        self._refusals = RefusalLog()

    @web.middleware
    async def log(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on, and log its answer."""
        clock_s = asyncio.get_running_loop().time
        begun_s = clock_s()
        response = await handler(request)
        caller = request.get(CALLER)
        if caller is None and response.status >= _REFUSED:
            self._refusals.note(request, response.status)
            return response
        is_harmless = request.method in ("GET", "HEAD") or request.path.startswith(_FORWARDED)
        log = _log.debug if is_harmless else _log.info
        log(
            "request_answered",
            method=request.method,
            path=shown_path(request),
            status=response.status,
            caller=caller.name if caller else None,
            elapsed_ms=round((clock_s() - begun_s) * 1000, 3),
        )
        return response


class RequestCount:
    """Counts the answers by route and status.

    A route is called as `/openapi.json` writes it, whatever the path had in its place: nobody can make up a name.
    """

    def __init__(self, tally: RequestTally, table: Iterable[Route]) -> None:
        self._tally = tally
        self._names = {each.handler: f"{each.method} {_PATTERN.sub('}', each.path)}" for each in table}

    @web.middleware
    async def count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on, and count its answer."""
        response = await handler(request)
        self._tally.note(self._names.get(request.match_info.handler, "none"), response.status)
        return response


@web.middleware
async def cut_broken_answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Cut the connection when a streamed answer fails after it has begun; what fails before that is raised.

    The head and a part of the body are out then. Another answer would stand in the middle of that body; only a
    connection that breaks tells the caller that this is not the whole answer.
    """
    try:
        return await handler(request)
    except Exception as error:
        begun: web.StreamResponse | None = request.get(BEGUN_ANSWER)
        if begun is None:
            raise
        _note_broken(request, error)
        if request.transport is not None:
            request.transport.abort()
        return begun


def _note_broken(request: web.Request, error: Exception) -> None:
    match error:
        case ConnectionError():
            pass  # the caller has hung up
        case OpenwaManagerError():
            _log.warning("answer_broke_off", path=shown_path(request), error=str(error))
        case _:
            _log.error("answer_broke_off", path=shown_path(request), exc_info=error)


async def prepare_answer(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer, also a streaming one, its request id and what browsers are told."""
    request[BEGUN_ANSWER] = response
    begin_to_answer(request)
    if "Upgrade" in request.headers or request.method == hdrs.METH_CONNECT:
        response.force_close()  # what follows may be in the other protocol, or not: it is not looked at
    response.headers["X-Request-ID"] = request[REQUEST_ID]
    secure(request, response)
