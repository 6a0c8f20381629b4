"""Takes the events that engines post on a loopback listener, signed per launch (docs/openwa.md, Webhooks)."""

import hashlib
import json
import re
from collections.abc import Mapping
from functools import partial

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from openwa_manager.api.admission.body_terms import agree_on_body, defer_expectation
from openwa_manager.api.admission.rights import named_session
from openwa_manager.api.deadline import RequestDeadline
from openwa_manager.api.errors import (
    BadRequestError,
    GoneError,
    UnauthenticatedError,
    answer_errors,
)
from openwa_manager.api.gateway.kept.webhook_posts import WebhookRelay
from openwa_manager.api.middleware import assign_id, prepare_answer
from openwa_manager.api.routing import Unmatched, read_whole
from openwa_manager.domain import foreign_json
from openwa_manager.domain.delivery.events import HEARTBEAT, EventClass, Json, class_of
from openwa_manager.domain.errors import InvalidInputError, UnreadableJsonError
from openwa_manager.domain.session.session import Launch, SessionId
from openwa_manager.services.delivery.backpressure import Backpressure
from openwa_manager.services.delivery.large_posts import LARGE_BYTES
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.sessions.engine_inbox import EngineDelivery, EngineInbox
from openwa_manager.webhooks.signing import is_signed

#: OpenWA cuts media above 1 MiB out of its events; base64 and the rest fit in twice that.
BODY_MAX_BYTES = 2 * 1024 * 1024
#: A value takes as much time as so many bytes of a string, and counts as they do (measured).
_BYTES_PER_VALUE = 20


def intake_app(
    sessions: SessionDirectory,
    inbox: EngineInbox,
    backpressure: Backpressure,
    relay: WebhookRelay,
    body_within_s: float = 10.0,
) -> web.Application:
    """Return the application that takes what engines post to us, and what they post to their users through us.

    `body_within_s` is how long a body may take.
    """
    intake = web.Application(middlewares=[IntakeGuard().admit], client_max_size=BODY_MAX_BYTES)
    intake.on_response_prepare.append(prepare_answer)
    receive = Intake(sessions, inbox, backpressure, body_within_s).receive
    intake.router.add_post("/hooks/{session_id}/{launch_id}", receive, expect_handler=defer_expectation)
    pass_on = partial(relay.receive, body_within_s=body_within_s)
    intake.router.add_post("/relay/{session_id}/{token}", pass_on, expect_handler=defer_expectation)
    intake.router.register_resource(Unmatched(intake.router))
    return intake


class IntakeGuard:
    """Does before and after a handler what every request needs, in one step: events come by the thousand."""

    def __init__(self) -> None:
        self._deadline = RequestDeadline()

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Give the request an id and a deadline, agree on its body, and answer its errors as problems."""
        assign_id(request)
        within = partial(self._deadline.keep, handler=handler)
        if hdrs.CONTENT_ENCODING in request.headers or hdrs.EXPECT in request.headers:
            within = partial(agree_on_body, handler=within)
        return await answer_errors(request, within)


class Intake:
    """Takes an event only if it is signed with the secret of its engine's launch."""

    def __init__(
        self,
        sessions: SessionDirectory,
        inbox: EngineInbox,
        backpressure: Backpressure,
        body_within_s: float,
    ) -> None:
        self._sessions = sessions
        self._inbox = inbox
        self._backpressure = backpressure
        self._body_within_s = body_within_s

    async def receive(self, request: web.Request) -> web.Response:
        """Answer 200 once the event is on disk; anything else makes the engine post it again.

        Raises:
            SessionNotFoundError | GoneError: there is no such session or launch.
            UnauthenticatedError: the signature is not that of the launch's secret over these very bytes.
            BadRequestError | InvalidInputError: the body is no event.
            SlowRequestError: the body did not come in time.
            BacklogFullError: the engine posts too fast, or too much of the session is undelivered; what is said of the
                session itself has some room of its own then.
        """
        session_id = named_session(request)
        launch = self._current_launch(session_id, request.match_info["launch_id"])
        self._backpressure.count_event(session_id)
        if request.content_length is not None and request.content_length <= LARGE_BYTES:
            return await self._take(request, launch, await read_whole(request, self._body_within_s))
        async with self._backpressure.large_posts.room(session_id):
            body = await read_whole(request, self._body_within_s)
            async with self._backpressure.large_posts.turn():
                return await self._take(request, launch, body)

    async def _take(self, request: web.Request, launch: Launch, body: bytes) -> web.Response:
        session_id = named_session(request)
        self._backpressure.count_bytes(session_id, len(body) + _BYTES_PER_VALUE * foreign_json.count_values(body))
        if not is_signed(body, launch.secret, request.headers.get("X-OpenWA-Signature", "")):
            raise UnauthenticatedError("the signature does not fit")
        delivery = parse_delivery(body, request.headers.get("X-OpenWA-Idempotency-Key"))
        await self._require_room(session_id, delivery.event)
        await self._inbox.receive(session_id, launch.launch_id, delivery)
        return web.Response(status=200)

    async def _require_room(self, session_id: SessionId, event: str) -> None:
        """Return if what an event makes may be kept; a heartbeat makes nothing that is."""
        if event == HEARTBEAT:
            return
        if class_of(event) in (EventClass.STATE, EventClass.QR):
            await self._backpressure.require_state_room(session_id)
        else:
            await self._backpressure.require_room(session_id)

    def _current_launch(self, session_id: str, launch_id: str) -> Launch:
        launch = self._sessions.get(session_id).launch
        if launch is None or launch.launch_id != launch_id:
            raise GoneError("this launch is over")
        return launch


_KEY = re.compile(r"[\x20-\x7e]{1,256}")
#: What OpenWA writes into a key in place of a fact it does not have (docs/openwa.md, Webhooks).
_MISSING = "unknown"


def _idempotency_key(header: str | None, data: Mapping[str, Json]) -> str | None:
    """Return the key of an event with this data, None when its engine gave none.

    One that is no plain text is hashed: it holds a message's id, which its sender has chosen. One with a missing fact
    is the same for other events without it, so the data, which all tries of one event share, becomes part of it.
    """
    if not header:
        return None
    key = header if _KEY.fullmatch(header) else _digest(header.encode("utf-8", "surrogateescape"))
    if _MISSING not in header.split("_"):
        return key
    return f"{key}_{_digest(json.dumps(data, sort_keys=True).encode())}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def parse_delivery(body: bytes, key_header: str | None) -> EngineDelivery:
    """Return what was posted: OpenWA nests an event's fields under `data`, engines of one's own post them flat.

    Raises:
        BadRequestError: it is not JSON.
        InvalidInputError: it is no event.
    """
    posted = _json_object(body)
    event = posted.get("event")
    if not isinstance(event, str) or not event:
        raise InvalidInputError("event", "must be the event's name")
    data = posted.get("data")
    if not isinstance(data, Mapping):
        data = {name: value for name, value in posted.items() if name != "event"}
    return EngineDelivery(event=event, data=data, idempotency_key=_idempotency_key(key_header, data))


def _json_object(body: bytes) -> Mapping[str, Json]:
    try:
        value = foreign_json.parse(body, BODY_MAX_BYTES)
    except UnreadableJsonError as error:
        raise BadRequestError(f"the body cannot be read: {error}") from error
    if not isinstance(value, Mapping):
        raise InvalidInputError("body", "must be an object")
    return value
