"""Passes on what engines post for their users' webhooks: under the session's name, signed with the user's secret."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from functools import partial

from aiohttp import web

from openwa_manager.api.admission.rights import named_session
from openwa_manager.api.errors import GoneError, UnauthenticatedError
from openwa_manager.api.routing import read_whole
from openwa_manager.domain.delivery.user_webhooks import UserWebhook
from openwa_manager.domain.errors import BacklogFullError
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.user_webhooks import find_webhook
from openwa_manager.webhooks.sender import Sender
from openwa_manager.webhooks.signing import is_signed, plain_signature

#: OpenWA gives a post up after 10 s (WEBHOOK_TIMEOUT); by then it has our answer.
_WITHIN_S = 9.0
#: How many posts of one session are under way at most; the engine repeats the others later.
_PARALLEL_MAX = 16
#: What belongs to the post to us, not to what is passed on.
_NOT_PASSED_ON = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-openwa-signature",
    }
)
_SIGNATURE = "X-OpenWA-Signature"


class WebhookRelay:
    """Passes an engine's post on and answers as its receiver did, so that the engine's own retries count."""

    def __init__(self, sessions: SessionDirectory, database: Database, sender: Sender) -> None:
        self._sessions = sessions
        self._database = database
        self._sender = sender
        self._under_way: Counter[SessionId] = Counter()

    async def receive(self, request: web.Request, body_within_s: float) -> web.Response:
        """Answer with the receiver's status: 504 when it did not answer in time.

        Raises:
            SessionNotFoundError | GoneError: there is no such session or webhook.
            UnauthenticatedError: the signature is not that of this webhook's engine over these very bytes.
            BacklogFullError: too many posts of this session are under way.
        """
        session = self._sessions.get(named_session(request))
        webhook = await self._database.read(partial(find_webhook, token=request.match_info["token"]))
        if webhook is None or webhook.session_id != session.session_id or webhook.relay_secret is None:
            raise GoneError("there is no such webhook")
        body = await read_whole(request, body_within_s)
        if not is_signed(body, webhook.relay_secret, request.headers.get(_SIGNATURE, "")):
            raise UnauthenticatedError("the signature does not fit")
        if webhook.is_deleted:  # the engine does not know yet
            return web.Response(status=200)
        return await self._pass_on(request, session, webhook, body)

    async def _pass_on(self, request: web.Request, session: Session, webhook: UserWebhook, body: bytes) -> web.Response:
        session_id = session.session_id
        if self._under_way[session_id] >= _PARALLEL_MAX:
            raise BacklogFullError("too many posts of this session are under way; post it again later")
        self._under_way[session_id] += 1
        try:
            told = as_user_knows(body, session, webhook)
            headers = _headers(request.headers, session, webhook, told)
            status = await self._sender.pass_on(webhook.url, headers, told, _WITHIN_S)
        finally:
            self._under_way[session_id] -= 1
            if not self._under_way[session_id]:
                del self._under_way[session_id]
        return web.Response(status=504 if status is None else status)


def as_user_knows(body: bytes, session: Session, webhook: UserWebhook) -> bytes:
    """Return the post with the session's and the webhook's addresses as the user knows them."""
    for engines, ours in _names(session, webhook).items():
        body = body.replace(engines.encode(), ours.encode())
    address = rf"http://[^/\"]+/relay/{session.session_id}/{webhook.token}".encode()
    shown = json.dumps(webhook.url)[1:-1].encode()
    return re.sub(address, lambda _: shown, body) if webhook.token.encode() in body else body


def _headers(given: Mapping[str, str], session: Session, webhook: UserWebhook, body: bytes) -> dict[str, str]:
    """Return the engine's headers, its user's own among them, with the signature the user can check."""
    headers = {name: value for name, value in given.items() if name.lower() not in _NOT_PASSED_ON}
    for engines, ours in _names(session, webhook).items():
        headers = {name: value.replace(engines, ours) for name, value in headers.items()}
    if webhook.secret is not None:
        headers[_SIGNATURE] = plain_signature(webhook.secret, body)
    return headers


def _names(session: Session, webhook: UserWebhook) -> dict[str, str]:
    """Return what the engine calls session and webhook, and what callers do."""
    pairs = ((session.inner_id, session.session_id), (webhook.webhook_id, webhook.shown_id))
    return {engines: ours for engines, ours in pairs if engines is not None and ours is not None and engines != ours}
