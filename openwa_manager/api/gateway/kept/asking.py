"""How the calls here reach the engine, and how they read what it says."""

import json
from collections.abc import Awaitable, Callable

from openwa_manager.api.bodies.uploads import Payload
from openwa_manager.api.gateway.relay import EngineAnswer
from openwa_manager.domain import foreign_json
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import UnreadableJsonError

#: Asks the session's engine: method, path below the session, body.
Ask = Callable[[str, str, Payload], Awaitable[EngineAnswer]]


def parsed(raw: bytes) -> Json:
    """Return what is written there, with a byte order mark or without; None when it is no JSON."""
    try:
        return foreign_json.parse(raw)
    except UnreadableJsonError:
        return None


def encoded(value: Json) -> bytes:
    """Return it as OpenWA writes it."""
    return json.dumps(value, separators=(",", ":")).encode()
