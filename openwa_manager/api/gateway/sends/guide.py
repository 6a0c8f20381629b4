"""Translates the older bodies of the users' guide, `{to, text}` and `{to, url, caption}`, into OpenWA's."""

import json
import re
from collections.abc import Container, Mapping, Sequence

from openwa_manager.api.bodies.forms import form_of
from openwa_manager.api.bodies.json_members import BYTE_ORDER_MARK, Member, members_of
from openwa_manager.api.bodies.uploads import SMALL_BYTES, Pieces
from openwa_manager.api.gateway.errors import GatewayError
from openwa_manager.domain import foreign_json
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import InvalidRecipientError
from openwa_manager.domain.messaging.recipients import chat_id_of
from openwa_manager.domain.values import dataclass

#: The guide's own address, which OpenWA does not have: what the body holds decides.
ANY_SEND = "send"
_TEXT, _IMAGE = "send-text", "send-image"
_UNDERSTOOD_AT = frozenset({ANY_SEND, _TEXT, _IMAGE})

_LOOKS_LIKE_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\{")
#: A recipient is no longer than this.
_TO_MAX_BYTES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A message as OpenWA takes it: the last part of its path, and its body, which is JSON."""

    route: str
    body: bytes | Pieces


def may_be_guide(words: Sequence[str]) -> bool:
    """Tell whether the guide's bodies are understood at this path below a session."""
    return len(words) == 2 and words[0] == "messages" and words[1] in _UNDERSTOOD_AT


def translate(route: str, raw: bytes | bytearray, content_type: str = "") -> Translation | None:
    """Return the guide's body in OpenWA's words; None when it is no body of the guide's and is handed on as it is.

    It may be JSON, with a byte order mark or without, or a form; of a large one only what changes is looked at.

    Raises:
        GatewayError: it names nobody who could be written to, or is no message at all.
    """
    form = form_of(raw, content_type)
    members = None if form is not None and b"{" not in raw[:8] else members_of(raw)
    names = members if members is not None else form
    is_plain = route != ANY_SEND
    if names is None and _is_broken(raw):
        raise GatewayError(400, ["the body must be a JSON object; this one is broken, or nested too deep"])
    if names is None or (is_plain and ("to" not in names or "chatId" in names)):
        if is_plain:
            return None
        raise GatewayError(400, ["the body must be a JSON object with to and text, or to and url"])
    to_route = _route_of(names) if route == ANY_SEND else route
    if members is None:
        return Translation(route=to_route, body=_encoded(_addressed(form or {})))
    return Translation(route=to_route, body=_readdressed(raw, members))


def _is_broken(raw: bytes | bytearray) -> bool:
    """Tell whether it begins as an object does and is none; a large one is left to OpenWA."""
    if len(raw) > SMALL_BYTES or not _LOOKS_LIKE_OBJECT.match(raw):
        return False
    return _object(bytes(raw).removeprefix(BYTE_ORDER_MARK)) is None


def queued(raw: bytes) -> bytes:
    """Return OpenWA's answer to a send with the guide's `"status": "queued"`."""
    answer = _object(raw)
    return raw if answer is None else _encoded({**answer, "status": "queued"})


def _addressed(fields: Mapping[str, Json]) -> dict[str, Json]:
    if "to" not in fields:
        return dict(fields)
    to = fields["to"]
    return {
        "chatId": _chat_id(to if isinstance(to, str) else ""),
        **{name: value for name, value in fields.items() if name != "to"},
    }


def _readdressed(raw: bytes | bytearray, members: Mapping[str, Member]) -> bytes | Pieces:
    """Return the object with `chatId` in the place of `to`."""
    whole, to = memoryview(raw), members.get("to")
    parts = [whole]
    if to is not None:
        written = raw[to.value.start : to.value.stop]
        chat_id = _chat_id(_text(bytes(written)) if len(written) <= _TO_MAX_BYTES else "")
        chat = memoryview(f'"chatId":{json.dumps(chat_id)}'.encode())
        parts = [whole[: to.name.start], chat, whole[to.value.stop :]]
    return b"".join(parts) if len(raw) <= SMALL_BYTES else Pieces(parts)


def _chat_id(to: str) -> str:
    try:
        return chat_id_of(to)
    except InvalidRecipientError as error:
        raise GatewayError(400, [str(error)]) from error


def _text(raw: bytes) -> str:
    """Return the text that is written there as JSON; empty when it is none."""
    try:
        value = foreign_json.parse(raw)
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""


def _route_of(names: Container[str]) -> str:
    return _IMAGE if "url" in names or "base64" in names else _TEXT


def _object(raw: bytes) -> dict[str, Json] | None:
    try:
        parsed = foreign_json.parse(raw)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _encoded(body: Mapping[str, Json]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
