"""Makes of what a caller wrote what the services take in, and tells whether a call is the same as one before."""

import hashlib
import json
from datetime import datetime

from aiohttp import web

from openwa_manager.api.messaging.requests import Content, MessageIn
from openwa_manager.api.requests import Body as RequestBody
from openwa_manager.domain.errors import EngineUnableError, InvalidInputError
from openwa_manager.domain.messaging.messages import Body, Kind, Priority
from openwa_manager.services.messaging.acceptance.drafts import Asked, Draft

KEY_HEADER = "Idempotency-Key"
KEY_MAX_CHARS = 255


def asked_by(request: web.Request, body_sha256: str) -> Asked:
    """Return under which key something is asked for.

    Raises:
        InvalidInputError: the key is empty, too long or has characters that no key has.
    """
    keys = request.headers.getall(KEY_HEADER, [])
    if not keys:
        return Asked(key=None, body_sha256=body_sha256)
    key = keys[0].strip()
    if len(keys) > 1 or not 0 < len(key) <= KEY_MAX_CHARS or not key.isprintable():
        raise InvalidInputError(KEY_HEADER, f"give one key of 1 to {KEY_MAX_CHARS} printable characters")
    return Asked(key=key, body_sha256=body_sha256)


def hash_of(model: RequestBody) -> str:
    """Return a hash by which the same request is known, however its JSON was written."""
    values = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    written = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()


def draft_of(given: MessageIn) -> Draft:
    """Return the message that a caller wants sent."""
    return Draft(
        to=given.to,
        body=body_of(given),
        reference=given.reference,
        send_after=moment(given.send_after),
        expires_at=moment(given.expires_at),
        priority=Priority.LOW if given.priority == "low" else Priority.NORMAL,
    )


def body_of(given: Content) -> Body:
    """Return what is to be sent."""
    if given.text is not None:
        return Body(kind=Kind.TEXT, text=given.text)
    urls = {
        Kind.IMAGE: given.image_url,
        Kind.VIDEO: given.video_url,
        Kind.AUDIO: given.audio_url,
        Kind.DOCUMENT: given.document_url,
    }
    kind, url = next((kind, url) for kind, url in urls.items() if url is not None)
    return Body(
        kind=kind, url=url, text=given.caption or "", filename=given.filename, fallback_text=given.fallback_text
    )


def moment(given: datetime | None) -> float | None:
    """Return a time as wall time; None stays None."""
    return None if given is None else given.timestamp()


def refuse_unable(engine: str) -> EngineUnableError:
    """Return the refusal for a session whose engine sends nothing."""
    return EngineUnableError(f"an engine of the kind {engine!r} sends no messages")
