"""Translates the older bodies of the users' guide, `{to, text}` and `{to, url, caption}`, into OpenWA's."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openwa_manager.api.gateway.errors import GatewayError
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import InvalidRecipientError
from openwa_manager.domain.messaging.recipients import chat_id_of

#: The guide's own address, which OpenWA does not have: what the body holds decides.
ANY_SEND = "send"
_TEXT, _IMAGE = "send-text", "send-image"
_UNDERSTOOD_AT = frozenset({ANY_SEND, _TEXT, _IMAGE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A message as OpenWA takes it: the last part of its path, and its body."""

    route: str
    body: bytes


def may_be_guide(words: Sequence[str]) -> bool:
    """Tell whether the guide's bodies are understood at this path below a session."""
    return len(words) == 2 and words[0] == "messages" and words[1] in _UNDERSTOOD_AT


def translate(route: str, raw: bytes) -> Translation | None:
    """Return the guide's body in OpenWA's words; None when it is no body of the guide's and is handed on as it is.

    Raises:
        GatewayError: it names nobody who could be written to, or is no message at all.
    """
    is_plain = route != ANY_SEND
    if is_plain and b'"to"' not in raw:
        return None
    body = _object(raw)
    if body is None or (is_plain and ("to" not in body or "chatId" in body)):
        if is_plain:
            return None
        raise GatewayError(400, ["the body must be a JSON object with to and text, or to and url"])
    return Translation(route=_route_of(body) if route == ANY_SEND else route, body=_encoded(_addressed(body)))


def queued(raw: bytes) -> bytes:
    """Return OpenWA's answer to a send with the guide's `"status": "queued"`."""
    answer = _object(raw)
    return raw if answer is None else _encoded({**answer, "status": "queued"})


def _addressed(body: Mapping[str, Json]) -> dict[str, Json]:
    if "to" not in body:
        return dict(body)
    to = body["to"]
    try:
        chat_id = chat_id_of(to if isinstance(to, str) else "")
    except InvalidRecipientError as error:
        raise GatewayError(400, [str(error)]) from error
    return {"chatId": chat_id, **{name: value for name, value in body.items() if name != "to"}}


def _route_of(body: Mapping[str, Json]) -> str:
    return _IMAGE if "url" in body or "base64" in body else _TEXT


def _object(raw: bytes) -> dict[str, Json] | None:
    try:
        parsed: Json = json.loads(raw)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _encoded(body: Mapping[str, Json]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
