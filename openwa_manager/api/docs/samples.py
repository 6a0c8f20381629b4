"""Writes a call as a line for curl, which works once the names in capitals are replaced."""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Final

from openwa_manager.api.docs.openapi_model import Operation
from openwa_manager.domain.delivery.events import Json

#: What a body may look like, by the name of its shape.
BODIES: Final[Mapping[str, Json]] = {
    "BatchChange": {"state": "paused"},
    "BuildCheckIn": {"version": "0.23.0"},
    "BuildIn": {"version": "0.23.0"},
    "BulkIn": {
        "template": {"text": "Hello {{name}}"},
        "recipients": [{"to": "+85212345678", "variables": {"name": "Ann"}}],
    },
    "CheckIn": {"numbers": ["+85212345678"]},
    "CreateIn": {"name": "user_1_session_a"},
    "EndpointChange": {"active": False},
    "EndpointIn": {"url": "https://app.example.com/webhooks/openwa", "events": ["session.*", "message.*"]},
    "KeyChange": {"disabled": True},
    "KeyIn": {"name": "laravel", "role": "operator", "qr": True},
    "KeyRotationIn": {"overlap_s": 3600},
    "MessageIn": {"to": "+85212345678", "text": "Hello", "reference": "order-17"},
    "PageCodeIn": {"phone_number": "+85212345678"},
    "PairIn": {"phoneNumber": "85212345678"},
    "PairingCodeIn": {"phone_number": "+85212345678"},
    "PairingLinkIn": {"ttl_s": 600},
    "QueueChange": {"state": "paused"},
    "QuotaIn": {"messages_limit": 50},
    "ReplayIn": {"session_id": "user_1_session_a", "state": "dead"},
    "RolloutIn": {"version": "0.23.0"},
    "RotationIn": {},
    "SessionChange": {"labels": {"team": "sales"}},
    "SessionIn": {"session_id": "user_1_session_a", "wait_for": "qr"},
    "SettleIn": {"as": "sent"},
    "StopAllIn": {},
    "SuppressionIn": {"to": "+85212345678", "reason": "asked by phone"},
}
#: The same for calls whose body OpenWA reads.
FORWARDED: Final[Mapping[str, Json]] = {
    "/api/sessions/{id}/messages/send-text": {"chatId": "85212345678@c.us", "text": "Hello"},
    "/api/sessions/{id}/messages/send": {"to": "85212345678", "text": "Hello"},
}
#: What stands in a path.
_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("session_id", "id"), "user_1_session_a"),
    **dict.fromkeys(("to", "number"), "85212345678"),
    "user_id": "1",
}
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_JSON: Final = "application/json"


def curl_line(method: str, path: str, operation: Operation) -> str:
    """Return the command; `URL` and `KEY` are variables of the shell."""
    address = _PARAMETER.sub(lambda found: _NAMES.get(found[1], found[1].upper()), path)
    parts = [f'curl -s {"" if method == "GET" else f"-X {method} "}"$URL{address}"']
    if operation.security:
        parts.append('-H "X-API-Key: $KEY"')
    if (body := body_of(path, operation)) is not None:
        parts += [f"-H 'Content-Type: {_JSON}'", f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}"]
    elif operation.body is not None:
        parts += [f"-H 'Content-Type: {_JSON}'", "-d @body.json"]
    return " \\\n  ".join(parts) + "\n"


def body_of(path: str, operation: Operation) -> Json:
    """Return a body that the call takes; None if there is none, or only OpenWA knows, or none is written here."""
    if operation.body is None:
        return None
    media = operation.body.content.get(_JSON)
    if media is None or media.shape is None or media.shape.name is None:
        return FORWARDED.get(path)
    return BODIES.get(media.shape.name)  # a call without a sample must not keep all pages from being drawn
