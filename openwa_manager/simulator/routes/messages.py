"""`/api/sessions/:id/messages`: the send routes, batches and media."""

import os
from collections.abc import Callable
from functools import partial
from itertools import islice

from openwa_manager.simulator.clock import iso_now, unix_now_s
from openwa_manager.simulator.http.errors import refusal
from openwa_manager.simulator.http.validation import Field
from openwa_manager.simulator.http.wire import Json, Response
from openwa_manager.simulator.routes import bodies
from openwa_manager.simulator.routes.pipeline import Route, RouteCall
from openwa_manager.simulator.state.addresses import AddressGuard
from openwa_manager.simulator.state.batches import Batch, Batches
from openwa_manager.simulator.state.keyed_sends import KeyedSends
from openwa_manager.simulator.state.messages import Answer, Messages, OnSent, ignore
from openwa_manager.simulator.state.outgoing import Outgoing, outgoing
from openwa_manager.simulator.state.rows import Row, event_data, page, whole
from openwa_manager.simulator.state.sessions import Sessions

ROOT = "/api/sessions/:sessionId/messages"

#: last part of the path -> (kind of message, body)
SENDS: dict[str, tuple[str, tuple[Field, ...]]] = {
    "send-text": ("text", bodies.SEND_TEXT),
    "send-image": ("image", bodies.SEND_MEDIA),
    "send-video": ("video", bodies.SEND_MEDIA),
    "send-audio": ("audio", bodies.SEND_AUDIO),
    "send-document": ("document", bodies.SEND_MEDIA),
    "send-sticker": ("sticker", bodies.SEND_MEDIA),
    "send-location": ("location", bodies.SEND_LOCATION),
    "send-contact": ("contact", bodies.SEND_CONTACT),
    "send-poll": ("poll", bodies.SEND_POLL),
    "reply": ("text", bodies.REPLY),
    "forward": ("text", bodies.FORWARD),
}
#: Routes that change a message and answer only that they did.
CHANGES: dict[str, tuple[Field, ...]] = {
    "react": bodies.REACT,
    "delete": bodies.DELETE_MESSAGE,
}
HISTORY_LIMIT = 50
MEDIA_KINDS = frozenset({"image", "video", "audio", "document", "sticker"})


def _bulk_message(item: Json) -> Outgoing:
    """Return the message a bulk item stands for; its content is nested, unlike in the single routes."""
    entry = item if isinstance(item, dict) else {}
    content = entry.get("content")
    parts = content if isinstance(content, dict) else {}
    kind = str(entry.get("type"))
    media = parts.get(kind)
    flat: dict[str, Json] = {**parts, **(media if isinstance(media, dict) else {}), "chatId": entry.get("chatId")}
    return outgoing(kind, flat)


def _hit(row: Row) -> dict[str, Json]:
    names: dict[str, Json] = {"messageId": row["waMessageId"], "waMessageId": row["waMessageId"]}
    shown = {name: row[name] for name in ("sessionId", "chatId", "body", "timestamp", "type", "from")}
    return {**names, **shown, "snippet": row["body"], "direction": row["direction"]}


class MessageRoutes:
    """Handlers of the message controller."""

    def __init__(
        self, sessions: Sessions, messages: Messages, batches: Batches, guard: AddressGuard, keyed: KeyedSends | None
    ) -> None:
        self._keyed = keyed
        self._sessions = sessions
        self._messages = messages
        self._batches = batches
        self._guard = guard

    def routes(self) -> list[Route]:
        """Return the route table."""
        post: Callable[..., Route] = partial(Route, method="POST", role="operator")
        sends = [
            post(path=f"{ROOT}/{name}", handler=partial(self._send, kind), body=body)
            for name, (kind, body) in SENDS.items()
        ]
        changes = [post(path=f"{ROOT}/{name}", handler=self._change, body=body) for name, body in CHANGES.items()]
        return [
            *sends,
            *changes,
            post(path=f"{ROOT}/edit", handler=self._edit, body=bodies.EDIT),
            post(path=f"{ROOT}/send-bulk", handler=self._send_bulk, body=bodies.SEND_BULK),
            Route(method="GET", path=f"{ROOT}/batch/:batchId", handler=self._batch),
            Route(method="GET", path="/api/search", handler=self._search, role="operator"),
            post(path=f"{ROOT}/batch/:batchId/cancel", handler=self._cancel),
            Route(method="GET", path=ROOT, handler=self._list),
            Route(method="GET", path=f"{ROOT}/:chatId/history", handler=self._history),
            Route(method="GET", path=f"{ROOT}/:chatId/:messageId/media", handler=self._media),
        ]

    async def _send(self, kind: str, call: RouteCall) -> Response:
        key, send = call.request.headers.get("idempotency-key"), partial(self._send_now, kind, call)
        if key is None or self._keyed is None:
            return Response(status=201, body=await send())
        body: dict[str, Json] = {**call.body, "kind": kind}
        return Response(status=201, body=await self._keyed.send(call.session_id, key, body, send))

    async def _send_now(self, kind: str, call: RouteCall, on_sent: OnSent = ignore) -> Answer:
        self._require_engine(call)
        if kind in MEDIA_KINDS:
            self._guard_media(call)
        key = call.request.headers.get("idempotency-key")
        return await self._messages.send(call.session_id, outgoing(kind, call.body), key=key, on_sent=on_sent)

    async def _change(self, call: RouteCall) -> Response:
        self._require_engine(call)
        self._sessions.ready_engine(call.session_id)
        return Response(status=200, body={"success": True})

    async def _edit(self, call: RouteCall) -> Response:
        self._require_engine(call)
        self._sessions.ready_engine(call.session_id)
        return Response(status=200, body={"messageId": call.text("messageId"), "timestamp": unix_now_s()})

    async def _send_bulk(self, call: RouteCall) -> Response:
        if self._sessions.engine(call.session_id) is None:
            raise refusal(400, f"Session '{call.session_id}' is not active")
        items = call.body.get("messages")
        options = call.body.get("options")
        settings = options if isinstance(options, dict) else {}
        delay_ms = settings.get("delayBetweenMessages")
        delay_s = delay_ms / 1000 if isinstance(delay_ms, int | float) else 3.0
        batch = Batch(
            batch_id=call.text("batchId") or f"batch_{os.urandom(4).hex()}",
            session_id=call.session_id,
            messages=[_bulk_message(item) for item in (items if isinstance(items, list) else [])],
            delay_s=delay_s,
            stops_on_error=settings.get("stopOnError") is True,
        )
        self._batches.start(batch)
        body: Json = {
            "batchId": batch.batch_id,
            "status": "pending",
            "totalMessages": len(batch.messages),
            "estimatedCompletionTime": iso_now(delay_s * len(batch.messages)),
            "statusUrl": f"/api/sessions/{call.session_id}/messages/batch/{batch.batch_id}",
        }
        return Response(status=202, body=body)

    async def _search(self, call: RouteCall) -> Response:
        text = (call.request.query.get("q") or "").strip()
        if not text:
            raise refusal(400, 'Query parameter "q" is required and must be non-empty.')
        found = self._messages.search(text, call.request.query.get("sessionId"))
        hits: list[Json] = [_hit(row) for row in found if call.is_in_scope(str(row["sessionId"]))]
        return Response(status=200, body={"hits": hits, "total": len(hits), "tookMs": 1, "provider": "builtin-fts"})

    async def _batch(self, call: RouteCall) -> Response:
        return Response(status=200, body=self._batches.get(call.session_id, call.params["batchId"]).view())

    async def _cancel(self, call: RouteCall) -> Response:
        batch = self._batches.cancel(call.session_id, call.params["batchId"])
        return Response(
            status=200, body={"batchId": batch.batch_id, "status": batch.status, "progress": batch.progress()}
        )

    async def _list(self, call: RouteCall) -> Response:
        self._sessions.get(call.session_id)
        return Response(status=200, body=page(self._messages.rows.newest(call.session_id), call.request.query))

    async def _history(self, call: RouteCall) -> Response:
        """Answer the last messages of a chat, the oldest first."""
        self._sessions.ready_engine(call.session_id)
        limit = whole(call.request.query, "limit", HISTORY_LIMIT)
        newest = islice(self._messages.rows.known(call.session_id, call.params["chatId"]), limit)
        return Response(status=200, body=[event_data(row) for row in reversed([*newest])])

    async def _media(self, call: RouteCall) -> Response:
        """Answer some bytes for any message whose id a send could have given out."""
        if not call.params["messageId"].startswith(("3EB0", "MOCKIN")):
            raise refusal(404, "Message not found")
        headers = {
            "Content-Type": "application/octet-stream",
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": "attachment",
        }
        return Response(status=200, body=bytes(range(256)) * 4096, headers=headers)

    def _guard_media(self, call: RouteCall) -> None:
        """Refuse media from nowhere or from a forbidden address; bytes win over a URL. Raises: HttpError."""
        url = call.text("url")
        if call.text("base64"):
            return
        if not url:
            raise refusal(400, "Either url or base64 must be provided")
        self._guard.check(url)

    def _require_engine(self, call: RouteCall) -> None:
        if self._sessions.engine(call.session_id) is None:
            raise refusal(400, f"Session '{call.session_id}' is not active. Start the session first.")
