"""The body of a delivery: one flat JSON object, the same bytes on every retry (docs/backend.md, One event)."""

import base64
import json

from openwa_manager.domain.delivery.events import Event, Json
from openwa_manager.domain.times import iso8601

#: Made once: `json.dumps` would make an encoder for each event.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def write_body(event_id: str, event: Event, host: str, image: bytes | None = None) -> bytes:
    """Return the bytes to sign and send; a field of `data` never hides a common one.

    `image` is the PNG of a `session.qr`, whose stored form has only its hash; None for every other event.
    """
    data = dict(event.data)
    if event.expires_at is not None:
        data["expires_at"] = iso8601(event.expires_at)
    if image is not None:
        data.pop("sha256", None)
        data["qr_base64"] = base64.b64encode(image).decode("ascii")
    common = _common_fields(event_id, event, host)
    own = {key: value for key, value in data.items() if key not in common}
    return _encode({**common, **own}).encode()


def _common_fields(event_id: str, event: Event, host: str) -> dict[str, Json]:
    return {
        "id": event_id,
        "type": event.type,
        "event": event.type,
        "timestamp": iso8601(event.occurred_at),
        "session_id": event.session_id,
        "user_id": event.user_id,
        "seq": event.session_seq,
        "launch": event.launch,
        "host": host,
    }
