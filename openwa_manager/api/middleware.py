"""Does what every request needs: an id, a line in the log, common headers, an answer to what fails."""

import asyncio
import logging
import random
import re
from typing import Final

import structlog
from aiohttp import hdrs, web

from openwa_manager.api.admission.refusal_log import RefusalLog
from openwa_manager.api.admission.shown import is_request_id, shown_path
from openwa_manager.api.browsers.headers import secure
from openwa_manager.api.deadline import begin_to_answer
from openwa_manager.api.errors import answer_as_problem
from openwa_manager.api.gateway.errors import PREFIX, answer_as_openwa
from openwa_manager.api.request_keys import BEGUN_ANSWER, CALLER, REQUEST_ID
from openwa_manager.api.routing import Route
from openwa_manager.domain.errors import OpenwaManagerError

_log = structlog.get_logger()

#: Requests to engines come by the thousand; what they change in sessions, the sessions log themselves.
_FORWARDED: Final = "/api/sessions/"
#: What a parameter of a path must be like; it is no part of the route's name.
_PATTERN: Final = re.compile(r":[^{}]*}")
#: From this status on a request was not served.
_REFUSED: Final = 400


def assign_id(request: web.Request) -> None:
    """Give the request an id, the caller's own if it is fit for the log; every log line of the request carries it.

    Each request is served by a task with a context of its own, which ends with it.
    """
    proposed = request.headers.get("X-Request-ID", "")
    # A name, no secret: what the system gives for secrets takes far longer.
    request_id = proposed if proposed and is_request_id(proposed) else f"{random.getrandbits(128):032x}"
    request[REQUEST_ID] = request_id
    structlog.contextvars.bind_contextvars(request_id=request_id)


class AnswerLog:
    """Logs how requests ended: as info what may have changed something, as debug what reads or is forwarded."""

    def __init__(self) -> None:
        self._refusals = RefusalLog()
        self._tells_debug = _tells_debug()

    def begin(self, request: web.Request) -> float | None:
        """Return when a request began, on the clock of the event loop; None if its answer is not told of."""
        is_harmless = request.method in ("GET", "HEAD") or request.path.startswith(_FORWARDED)
        return None if is_harmless and not self._tells_debug else asyncio.get_running_loop().time()

    def note(self, request: web.Request, response: web.StreamResponse, begun_s: float | None) -> None:
        """Log the answer to a request, given what `begin` returned for it."""
        is_refused = response.status >= _REFUSED
        if begun_s is None and not is_refused:
            return
        caller = request.get(CALLER)
        if is_refused and caller is None:
            self._refusals.note(request, response.status)
            return
        if begun_s is None:
            return
        is_harmless = request.method in ("GET", "HEAD") or request.path.startswith(_FORWARDED)
        log = _log.debug if is_harmless else _log.info
        log(
            "request_answered",
            method=request.method,
            path=shown_path(request),
            status=response.status,
            caller=caller.name if caller else None,
            elapsed_ms=round((asyncio.get_running_loop().time() - begun_s) * 1000, 3),
        )


def _tells_debug() -> bool:
    """Tell whether lines of the level debug are written; a logger that is not set up yet writes all."""
    log = _log.bind()
    return not isinstance(log, structlog.stdlib.BoundLogger) or log.isEnabledFor(logging.DEBUG)


def route_name(route: Route | None) -> str:
    """Return what a route's answers are counted under: as `/openapi.json` writes it, whatever stood in its place.

    Nobody can make up a name: what no route takes has one for all.
    """
    return "none" if route is None else f"{route.method} {_PATTERN.sub('}', route.path)}"


def answer_failure(request: web.Request, error: Exception) -> web.StreamResponse:
    """Return the answer to what was raised: below the gateway's prefix in OpenWA's words, elsewhere as a problem.

    When an answer has begun its connection is cut instead. Its head and a part of its body are out then, and another
    answer would stand in the middle of that body; only a connection that breaks tells the caller that it is not whole.

    Raises:
        ConnectionError: the caller has hung up; there is nobody to answer.
    """
    begun: web.StreamResponse | None = request.get(BEGUN_ANSWER)
    if begun is None:
        answer = answer_as_openwa if request.path.startswith(PREFIX) else answer_as_problem
        return answer(request, error)
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
    finish_head(request, response)


def finish_head(request: web.Request, response: web.StreamResponse) -> None:
    """Give an answer its request id and what browsers are told; its head is about to be sent."""
    request[BEGUN_ANSWER] = response
    begin_to_answer(request)
    if "Upgrade" in request.headers or request.method == hdrs.METH_CONNECT:
        response.force_close()  # what follows may be in the other protocol, or not: it is not looked at
    if REQUEST_ID not in request:  # it was answered before anything else was done for it
        assign_id(request)
    response.headers["X-Request-ID"] = request[REQUEST_ID]
    secure(request, response)
