"""Checks each request before its route, and answers what fails: every check and their order stand here.

Theory. A chain of aiohttp's middlewares costs a coroutine for each of them and each request, whether the route needs it
or not. What a route needs is known when the application is made: so each route has one guard, which runs the checks as
plain calls, one after the other, and waits only where there may be something to wait for. The order:

1. the request gets an id (`assign_id`);
2. whence: the address of the client (`ClientAddresses`); whether its `Host` is one of ours (`HostCheck`, 421);
3. a browser's preflight is answered, which carries no key (`Cors`);
4. who: the key, or the user behind the unix socket (`Authenticator`), whose the connection is from now on (`hold_for`);
5. a stranger waits for a turn (`StrangerTurns`), a known caller's call is counted (`CallLimits`, 429);
6. may he: role and rights (`Authorizer`, 401 and 403), then the starts of a session (`StartLimits`, 429);
7. a call that may wait ends when its key is revoked (`OpenCalls`);
8. the audit is told that it is accepted, and later what became of it (`AuditRecorder`);
9. what is asked of the body: not compressed, and `Expect` (`awaits_consent`, 415 and 417);
10. the handler, which has 30 s until it begins to answer unless the route may take long (`RequestDeadline`).

Of a route that answers at once (`Route.at_once`) the audit tells nothing, and nothing can happen meanwhile: 7, 8 and
the deadline are left out. What fails is counted if it was a key that is none, noted for the audit, and answered or cut
(`answer_failure`). Every answer is counted by route and status and told to the log.
"""

from dataclasses import field
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler

from openwa_manager.api.access.recorder import AuditRecorder
from openwa_manager.api.admission.admission import Admission
from openwa_manager.api.admission.authorizer import Authorizer
from openwa_manager.api.admission.body_terms import awaits_consent, tell_to_send
from openwa_manager.api.admission.limits import STARTING, CallLimits, StartLimits
from openwa_manager.api.admission.turns import StrangerTurns
from openwa_manager.api.connections.holders import hold_for
from openwa_manager.api.deadline import RequestDeadline
from openwa_manager.api.errors import UnauthenticatedError
from openwa_manager.api.middleware import AnswerLog, answer_failure, assign_id, finish_head, route_name
from openwa_manager.api.request_keys import CALLER
from openwa_manager.api.routing import Route, refuse_unmatched
from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.domain.values import dataclass
from openwa_manager.metrics.tallies import RequestTally


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What the guards of all routes share."""

    admission: Admission
    recorder: AuditRecorder
    calls: CallLimits
    starts: StartLimits
    tally: RequestTally
    turns: StrangerTurns = field(default_factory=StrangerTurns)
    deadline: RequestDeadline = field(default_factory=RequestDeadline)
    log: AnswerLog = field(default_factory=AnswerLog)

    def before(self, route: Route | None) -> Handler:
        """Return what serves a route, behind its checks; None: whatever no route takes."""
        return RouteGuard(self, route).serve

    async def prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """Give every answer the headers that all have; its head is about to be sent."""
        finish_head(request, response)
        self.admission.cors.mark(request, response)


class RouteGuard:
    """Serves one route, behind the checks that it needs."""

    def __init__(self, guards: Guards, route: Route | None) -> None:
        self._guards = guards
        self._route = route
        self._name = route_name(route)
        self._authorizer = Authorizer(route, guards.admission.withheld)
        self._is_start = route is not None and route.action in STARTING
        self._at_once = None if route is None else route.at_once
        handler = refuse_unmatched if route is None else route.handler
        is_limited = route is None or not route.may_take_long
        self._handler: Handler = partial(guards.deadline.keep, handler=handler) if is_limited else handler

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request of this route."""
        begun_s = self._guards.log.begin(request)
        assign_id(request)
        try:
            response = await self._answer(request)
        except Exception as error:  # noqa: BLE001 (what cannot be answered is raised again)
            response = answer_failure(request, error)
        self._guards.tally.note(self._name, response.status)
        self._guards.log.note(request, response, begun_s)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        admission = self._guards.admission
        admission.addresses.note(request)
        admission.host_check.require(request)
        if (preflight := admission.cors.preflight(request)) is not None:
            return preflight
        try:
            await self._let_in(request)
            if self._at_once is None:
                return await admission.open_calls.keep(request, self._record)
        except OpenwaManagerError as error:
            await self._note_refusal(request, error)
            raise
        if awaits_consent(request):
            await tell_to_send(request)
        return self._at_once(request)

    async def _let_in(self, request: web.Request) -> None:
        """Return once the request may go on.

        Raises:
            OpenwaManagerError: it may not.
        """
        guards = self._guards
        authenticator = guards.admission.authenticator
        peer = authenticator.known_peer(request)
        caller = authenticator.admit(request, await authenticator.look(request) if peer is None else peer)
        hold_for(request, caller)
        if caller is None:
            await guards.turns.queue(request)
        else:
            guards.calls.count(caller)
        self._authorizer.require(request)
        if self._is_start:
            guards.starts.count(request)

    async def _record(self, request: web.Request) -> web.StreamResponse:
        return await self._guards.recorder.record(request, self._route, self._finish)

    async def _finish(self, request: web.Request) -> web.StreamResponse:
        if awaits_consent(request):
            await tell_to_send(request)
        return await self._handler(request)

    async def _note_refusal(self, request: web.Request, error: OpenwaManagerError) -> None:
        """Count a key that is none, and tell the audit who was refused.

        Raises:
            RateLimitedError: too many keys that are none came from there.
        """
        guards = self._guards
        try:
            if isinstance(error, UnauthenticatedError) and CALLER not in request:
                await guards.calls.count_failed_login(request)
        except OpenwaManagerError as limited:
            guards.recorder.note_refusal(request, self._route, limited)
            raise
        guards.recorder.note_refusal(request, self._route, error)
