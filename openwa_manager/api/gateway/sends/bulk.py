"""Bulk sends: a batch of ours for each, shown and called off in OpenWA's words; the engine hears of none."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import quote, unquote

from aiohttp import web

from openwa_manager.api.bodies.uploads import Payload, Upload, payload_of
from openwa_manager.api.gateway.errors import MEDIA_TYPE, GatewayError, json_answer, not_active
from openwa_manager.api.gateway.lines import Destination, EngineLines, unknown
from openwa_manager.api.gateway.media.guard import MediaGuard
from openwa_manager.api.gateway.sends.bulk_body import read_bulk
from openwa_manager.api.gateway.sends.drafts import body_hash, key_of
from openwa_manager.api.gateway.session_records import is_loaded
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import BatchNameTakenError
from openwa_manager.domain.messaging.batches import BatchState
from openwa_manager.domain.messaging.messages import PROGRESS, Message, MessageStatus
from openwa_manager.domain.session.session import Session
from openwa_manager.domain.times import iso8601
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.services.messaging.acceptance.answers import BulkAnswer
from openwa_manager.services.messaging.acceptance.drafts import Asked, BulkDraft
from openwa_manager.services.messaging.gateway.batches import BatchRecord, GatewayBatches
from openwa_manager.store.messaging.idempotency import KeyScope

_SEND = ("messages", "send-bulk")
_LARGE_AT_ONCE = 2
#: How the gateway words what single sends would be refused for, and what may have been sent; all else is SEND_FAILED.
_CODES: Mapping[str, str] = {"opted_out": "RECIPIENT_OPTED_OUT", "quota_exceeded": "QUOTA_EXCEEDED"}
_SENT, _FAILED, _CANCELLED, _PENDING = "sent", "failed", "cancelled", "pending"
_PROCESSING, _COMPLETED = "processing", "completed"
_GOING = (_PENDING, _PROCESSING)


@dataclass(frozen=True, kw_only=True)
class BulkSends:
    """Answers bulk sends, and questions about them."""

    batches: GatewayBatches
    lines: EngineLines
    media: MediaGuard
    background: BackgroundTasks
    large_bodies: asyncio.Semaphore = field(init=False, default_factory=partial(asyncio.Semaphore, _LARGE_AT_ONCE))

    async def answer(self, request: web.Request, where: Destination) -> web.StreamResponse | None:
        """Return the answer to a bulk send, or a call about one; None when it is another call, or no batch of ours."""
        match request.method, where.words:
            case "POST", words if words == _SEND:
                return await self._send(request, where)
            case "GET", ("messages", "batch", _):
                record = await self._find(where)
                return None if record is None else json_answer(200, _shown(record))
            case "POST", ("messages", "batch", _, "cancel"):
                record = await self._find(where)
                return None if record is None else await self._cancel(where, record)
            case _:
                return None

    async def _send(self, request: web.Request, where: Destination) -> web.Response:
        session = self._sender(where)
        key, digest = key_of(request), body_hash(where.words[1])
        body = await payload_of(request)
        async with AsyncExitStack() as stack:
            if isinstance(body, Upload):
                await stack.enter_async_context(self.large_bodies)
            raw = await self._public(request, body)
            given = await asyncio.to_thread(read_bulk, raw)
            await asyncio.to_thread(digest.update, raw)
            asked = Asked(
                key=key,
                body_sha256=digest.hexdigest(),
                scope=KeyScope.GATEWAY,
                write=partial(_accepted, session=session, draft=given.draft),
            )
            accept = partial(self.batches.accept, session, given.draft, given.files, asked)
            try:
                answer = await self.background.finish(accept)
            except BatchNameTakenError as error:
                raise GatewayError(400, f"Batch ID '{error.name}' already exists") from error
        return web.Response(status=202, body=answer, headers={"Content-Type": MEDIA_TYPE})

    def _sender(self, where: Destination) -> Session:
        """Return the session, for which OpenWA would take a batch: whatever its link is like, one that is started."""
        session = self._session(where)
        if session is None:
            raise unknown(where)
        if not is_loaded(session):
            raise not_active(where.name)
        if session.spec.engine not in self.lines.engines:
            raise GatewayError(501, f"the engine {session.spec.engine!r} of this session does not speak OpenWA's API")
        return session

    def _session(self, where: Destination) -> Session | None:
        try:
            return self.lines.finder.find(where.name, where.caller)
        except GatewayError:
            return None

    async def _public(self, request: web.Request, body: Payload) -> bytes | bytearray:
        """Return the body if nothing in it leads to this host or its network.

        Raises:
            GatewayError: something does.
        """
        inspection = self.media.inspection(request.content_type, request.headers.get("Content-Type", ""))
        if isinstance(body, Upload):
            body.inspection = inspection
            return await body.read()
        raw = body if isinstance(body, bytes) else b"{}"
        inspection.feed(raw)
        await inspection.finish()
        return raw

    async def _find(self, where: Destination) -> BatchRecord | None:
        session = self._session(where)
        return None if session is None else await self.batches.find(session, unquote(where.path[2]))

    async def _cancel(self, where: Destination, record: BatchRecord) -> web.Response:
        before = _status(record)
        if before not in _GOING:
            raise GatewayError(400, f"Batch '{record.name}' is already {before}")
        session = self.lines.finder.find(where.name, where.caller)
        after = await self.background.finish(partial(self.batches.cancel, session, record))
        shown = _shown(after)
        return json_answer(200, {name: shown[name] for name in ("batchId", "status", "progress")})


def _accepted(answer: BulkAnswer, session: Session, draft: BulkDraft) -> bytes:
    """Return OpenWA's answer to a bulk send, as it is kept with its key."""
    name = draft.name or answer.batch_id or ""
    shown: dict[str, Json] = {"batchId": name, "status": _PENDING, "totalMessages": len(draft.drafts)}
    if answer.finish_at is not None:
        shown["estimatedCompletionTime"] = iso8601(answer.finish_at)
    status_url = f"/api/sessions/{session.session_id}/messages/batch/{quote(name, safe='')}"
    body = json_answer(202, {**shown, "statusUrl": status_url}).body
    return body if isinstance(body, bytes) else b""


def _shown(record: BatchRecord) -> dict[str, Json]:
    counts = Counter(_fate(record, each) for each in record.messages)
    status = _status(record)
    ends = [each.times.sent_at or each.times.ended_at for each in record.messages]
    begun = [at for at in ends if at is not None]
    progress: dict[str, Json] = {each: counts[each] for each in (_SENT, _FAILED, _PENDING, _CANCELLED)}
    ended_at = record.batch.ended_at or max(begun, default=record.batch.created_at)
    is_over = status not in _GOING
    return {
        "batchId": record.name,
        "status": status,
        "progress": {"total": len(record.messages), **progress},
        "results": [_result(each) for each in record.messages if _fate(record, each) in (_SENT, _FAILED)],
        "startedAt": iso8601(min(begun)) if begun and status != _PENDING else None,
        "completedAt": iso8601(ended_at) if is_over else None,
    }


def _status(record: BatchRecord) -> str:
    fates = Counter(_fate(record, each) for each in record.messages)
    if record.batch.state is BatchState.CANCELLED:
        return _CANCELLED
    if fates[_PENDING]:
        return _PENDING if fates[_PENDING] == len(record.messages) and not _is_begun(record) else _PROCESSING
    has_failed = fates[_FAILED] and (record.batch.terms.stops_on_error or not fates[_SENT])
    return _FAILED if has_failed else _COMPLETED


def _is_begun(record: BatchRecord) -> bool:
    return any(each.attempt_count for each in record.messages)


def _fate(record: BatchRecord, message: Message) -> str:
    match message.status:
        case status if status in PROGRESS:
            return _SENT
        case MessageStatus.SENDING:
            return _PENDING
        case MessageStatus.QUEUED:
            return _CANCELLED if record.batch.state is BatchState.CANCELLED else _PENDING
        case MessageStatus.CANCELLED if message.error is None:
            return _CANCELLED
        case _:
            return _FAILED


def _result(message: Message) -> dict[str, Json]:
    shown: dict[str, Json] = {"chatId": message.recipient.to}
    if message.status in PROGRESS:
        sent_at = message.times.sent_at or message.times.created_at
        return {**shown, "status": _SENT, "messageId": message.whatsapp_message_id, "sentAt": iso8601(sent_at)}
    code, detail = (message.error.code, message.error.detail) if message.error else ("", "")
    named = "SEND_OUTCOME_UNKNOWN" if message.status is MessageStatus.UNKNOWN else _CODES.get(code, "SEND_FAILED")
    return {**shown, "status": _FAILED, "error": {"code": named, "message": detail or code or message.status}}
