"""Where requests below a session lead, and how they get there."""

import dataclasses
from collections.abc import Mapping
from urllib.parse import unquote

from aiohttp import web

from openwa_manager.api.access.records import secure_record
from openwa_manager.api.admission.rights import caller_of
from openwa_manager.api.bodies.uploads import Payload, Upload
from openwa_manager.api.gateway.errors import GatewayError, not_active, not_connected, not_found
from openwa_manager.api.gateway.kept.asking import JsonBytes
from openwa_manager.api.gateway.relay import EngineAnswer, Names, headers_for_engine
from openwa_manager.api.gateway.sends import guide
from openwa_manager.api.gateway.session_finder import SessionFinder
from openwa_manager.api.gateway.session_records import is_loaded
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.session.session import ProcessState, Session, SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.http.forwarding import ForwardedRequest
from openwa_manager.engines.openwa import OpenwaEngine

_SENDS = frozenset({"reply", "forward"})


@dataclass(frozen=True, slots=True)
class Destination:
    """A path below a session: its raw text from the slash on, its words as OpenWA's router reads them, and who asks.

    OpenWA's router ignores case and a slash at the end, and so do `words`.
    """

    name: str
    tail: str
    words: tuple[str, ...]
    query: str
    caller: Caller

    @classmethod
    def of(cls, request: web.Request) -> "Destination":
        """Return where the request leads.

        Raises:
            GatewayError: the path has `.` or `..` in it, and so may lead out of the session.
        """
        _, _, _, name, tail = request.rel_url.raw_path.split("/", 4)
        words = tuple(unquote(part).lower() for part in tail.split("/") if part)
        if "." in words or ".." in words:
            raise GatewayError(404, f"Cannot {request.method} {request.path}")
        return cls(unquote(name), f"/{tail}", words, request.rel_url.raw_query_string, caller_of(request))

    def is_send(self, method: str) -> bool:
        """Tell whether this sends messages."""
        if method != "POST" or len(self.words) != 2 or self.words[0] != "messages":
            return False
        return self.words[1].startswith("send") or self.words[1] in _SENDS

    def target(self, inner_id: str) -> str:
        """Return path and query at an OpenWA that knows the session by this id."""
        query = f"?{self.query}" if self.query else ""
        return f"/api/sessions/{inner_id}{self.tail}{query}"

    def of_message(self, said: guide.Translation) -> "Destination":
        """Return where a message of the guide's goes instead."""
        return Destination(self.name, f"/messages/{said.route}", ("messages", said.route), self.query, self.caller)

    @property
    def path(self) -> tuple[str, ...]:
        """Return the parts of the tail as they came."""
        return tuple(part for part in self.tail.split("/") if part)


class SearchDestination(Destination):
    """A search in the messages of one session; `query` is the rest of its query."""

    @classmethod
    def of(cls, request: web.Request) -> "SearchDestination":
        """Return where the search leads.

        Raises:
            GatewayError: it names no session.
        """
        name = request.query.get("sessionId", "")
        if not name:
            raise GatewayError(400, ["sessionId should not be empty: every session here has an OpenWA of its own"])
        rest = request.rel_url.without_query_params("sessionId").raw_query_string
        return cls(name, "/search", ("search",), rest, caller_of(request))

    def target(self, inner_id: str) -> str:
        """Return path and query at an OpenWA that knows the session by this id."""
        rest = f"&{self.query}" if self.query else ""
        return f"/api/search?sessionId={inner_id}{rest}"


def unknown(where: Destination) -> GatewayError:
    """Return the refusal of a path below a session that is not there, or not for this caller.

    Of messages OpenWA says that such a session is not active. That is said of ids a caller is for; of all others he is
    told that there is no such session.
    """
    if where.words[:1] == ("messages",) and where.caller.scope.names(SessionId(where.name)):
        return not_active(where.name)
    return not_found(where.name)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EngineLines:
    """Hands requests to sessions' engines; `engines` are those that speak OpenWA's API, by the name sessions know."""

    finder: SessionFinder
    engines: Mapping[str, OpenwaEngine]

    def resting(self, where: Destination) -> Session | None:
        """Return the session if its OpenWA cannot be asked now; None when it can, or is none."""
        session = self.finder.find(where.name, where.caller)
        is_asked = session.process is ProcessState.RUNNING or session.spec.engine not in self.engines
        return None if is_asked else session

    def find(self, where: Destination) -> Session:
        """Return the session, which must be able to answer."""
        try:
            session = self.finder.find(where.name, where.caller)
        except GatewayError:
            raise unknown(where) from None
        if session.process is not ProcessState.RUNNING:
            raise not_connected() if is_loaded(session) else not_active(where.name)
        if session.spec.engine not in self.engines:
            raise GatewayError(501, f"the engine {session.spec.engine!r} of this session does not speak OpenWA's API")
        return session

    async def ask(
        self,
        request: web.Request,
        where: Destination,
        said: Payload | guide.Translation,
        method: str | None = None,
        key: str | None = None,
    ) -> EngineAnswer:
        """Return the engine's answer, to be released; it is looked up only now whether there still is an engine."""
        session = self.find(where)
        await secure_record(request)
        launch, inner_id = session.launch, session.inner_id
        if launch is None or inner_id is None:
            raise not_connected()
        forwarder = await self.engines[session.spec.engine].forwarder(session, launch)
        body = said.body if isinstance(said, guide.Translation) else said
        headers = headers_for_engine(request, body)
        if isinstance(said, guide.Translation | JsonBytes):
            headers["Content-Type"] = "application/json"
        if where.is_send(method or request.method):  # the caller's key is ours to keep
            headers.popall("Idempotency-Key", None)
            if key is not None:
                headers["Idempotency-Key"] = key
        forwarded = ForwardedRequest(
            method=method or request.method, target=where.target(inner_id), headers=headers, body=body
        )
        names = Names(inner_id.encode(), session.session_id.encode())
        try:
            return EngineAnswer(await forwarder.forward(forwarded), names)
        except EngineError:
            if isinstance(body, Upload):
                body.require_sound()
            raise
