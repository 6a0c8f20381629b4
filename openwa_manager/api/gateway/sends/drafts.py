"""Reads from a send of OpenWA's what our queue needs to know of it: whom it is for, its kind and its text."""

import hashlib
import re
from collections.abc import Mapping

from aiohttp import web

from openwa_manager.api.bodies.forms import form_of
from openwa_manager.api.bodies.json_members import BYTE_ORDER_MARK
from openwa_manager.api.gateway.errors import GatewayError
from openwa_manager.api.gateway.media.skeletons import CUT
from openwa_manager.domain import foreign_json
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import InvalidRecipientError
from openwa_manager.domain.messaging.messages import Kind
from openwa_manager.domain.messaging.recipients import TO_MAX_CHARS, chat_id_of
from openwa_manager.domain.messaging.templates import TEXT_MAX_CHARS
from openwa_manager.services.messaging.gateway.sends import GatewayDraft

#: The last part of the path -> what is sent; all others are `other`.
_KINDS: Mapping[str, Kind] = {
    "send-text": Kind.TEXT,
    "reply": Kind.TEXT,
    "send-image": Kind.IMAGE,
    "send-video": Kind.VIDEO,
    "send-audio": Kind.AUDIO,
    "send-document": Kind.DOCUMENT,
}
#: Which sends an OpenWA that keeps keys takes one for (docs/openwa.md, Versions).
_KEYED = frozenset(
    {
        *_KINDS,
        "forward",
        "send-sticker",
        "send-location",
        "send-contact",
        "send-template",
        "send-poll",
    }
)
_KEY = re.compile(r"[!-~]{1,255}")
_HEADER = "Idempotency-Key"


def key_of(request: web.Request) -> str | None:
    """Return the key that the caller gave; None when it gave none.

    Raises:
        GatewayError: it is none that OpenWA takes.
    """
    keys = request.headers.getall(_HEADER, [])
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise GatewayError(400, "Idempotency-Key must contain 1-255 visible ASCII characters")
    return keys[0]


def takes_key(route: str) -> bool:
    """Tell whether an engine may know a send of this kind by a key."""
    return route in _KEYED


def body_hash(route: str) -> "hashlib._Hash":
    """Return what is fed with the body of a request, to compare it with another one to the same route."""
    return hashlib.sha256(route.encode() + b"\0")


def small_draft(route: str, raw: bytes, content_type: str) -> GatewayDraft:
    """Return what a small body asks for; what cannot be read is left to OpenWA."""
    form = form_of(raw, content_type)
    if form is not None and b"{" not in raw[:8]:
        return draft_of(route, form)
    try:
        parsed = foreign_json.parse(raw.removeprefix(BYTE_ORDER_MARK))
    except ValueError:
        parsed = None
    return draft_of(route, parsed if isinstance(parsed, dict) else {})


def draft_of(route: str, fields: Mapping[str, Json]) -> GatewayDraft:
    """Return what the fields of a body ask for; the guide calls the chat `to`."""
    kind = _KINDS.get(route, Kind.OTHER)
    to = next((each for name in ("toChatId", "chatId", "to") if (each := _text(fields, name))), "")[:TO_MAX_CHARS]
    text = _text(fields, "text" if kind is Kind.TEXT else "caption")
    keeps_text = kind is Kind.TEXT and 0 < len(text) <= TEXT_MAX_CHARS
    return GatewayDraft(to=to, chat_id=_chat_id(to), kind=kind, text=text, keeps_text=keeps_text)


def _text(fields: Mapping[str, Json], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) and CUT not in value else ""


def _chat_id(to: str) -> str:
    """Return the chat as we name it; what is no chat that we know goes by the caller's name for it."""
    try:
        return chat_id_of(to)
    except InvalidRecipientError:
        return to
