"""The recordings of the real program, and a comparison that forgives only what is named here."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from openwa_manager.simulator.http.wire import Json

DATA = Path(__file__).parents[1] / "data" / "openwa-transcripts"

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_ISO = r"2\d{3}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{3}Z"
_ISO_WHOLE = r"2\d{3}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.000Z"
_MESSAGE = r"(3EB0[0-9A-F]{18}|MOCKIN[0-9A-F]{12})"

#: The only fields that may differ from the recording, and the form they must have on both sides. The recordings cut
#: long images short, hence the `…`.
VOLATILE: dict[str, str] = {
    "id": rf"{_UUID}|{_MESSAGE}",
    "messageId": _MESSAGE,
    "batchId": r"batch_[0-9a-f]{8}",
    "statusUrl": rf"/api/sessions/{_UUID}/messages/batch/batch_[0-9a-f]{{8}}",
    "timestamp": rf"{_ISO}|1\d{{9}}",
    "createdAt": _ISO_WHOLE,
    "updatedAt": _ISO_WHOLE,
    "connectedAt": _ISO,
    "lastActive": _ISO,
    "sentAt": _ISO,
    "startedAt": _ISO,
    "estimatedCompletionTime": _ISO,
    "expiresAt": _ISO,
    "lastTriggeredAt": _ISO,
    "qrCode": r"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAARQAAAEUCAYAAA[A-Za-z0-9+/=]+(…<.*>)?",
    "qr": r"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAARQAAAEUCAYAAA[A-Za-z0-9+/=]+(…<.*>)?",
    "heapUsed": r"\d+",
    "heapTotal": r"\d+",
    "rss": r"\d+",
    "keyPrefix": r"owa_k1_[0-9a-f]{5}",
    "apiKey": r"owa_k1_([0-9a-f]{64}|<64 hex>)",
    "deliveryId": rf"dlv_{_UUID}",
    "idempotencyKey": rf"(msg|ack|failed)_{_UUID}_{_MESSAGE}(_[a-z]+)?_{_UUID}"
    rf"|(sess|restr)_{_UUID}_[a-z_]+_{_ISO}_{_UUID}"
    rf"|restr_{_UUID}_[a-z_]+_(true|false)_{_ISO}_{_UUID}"
    rf"|(auth|disc)_{_UUID}_[0-9a-f]{{12}}_{_ISO}_{_UUID}|qr_{_UUID}_[0-9a-f]{{12}}_{_UUID}|evt_test_[0-9a-f]{{12}}",
}
#: The same for headers. Those that a recording has are compared; Node adds more of its own.
VOLATILE_HEADERS: dict[str, str] = {
    "X-Request-ID": _UUID,
    "X-RateLimit-Remaining-short": r"\d{1,6}",
    "X-OpenWA-Delivery-Id": VOLATILE["deliveryId"],
    "X-OpenWA-Idempotency-Key": VOLATILE["idempotencyKey"],
    "X-OpenWA-Signature": r"sha256=[0-9a-f]{64}",
    "content-length": r"\d+",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A recorded request and its answer."""

    label: str
    method: str
    path: str
    request_headers: dict[str, str]
    request_body: Json
    status: int
    headers: dict[str, str]
    body: Json


def read_recording(name: str) -> dict[str, Json]:
    """Return a recording file."""
    recording: dict[str, Json] = json.loads((DATA / name).read_text("utf-8"))
    return recording


def exchanges(name: str, part: str) -> list[Exchange]:
    """Return the exchanges in one part of a recording."""
    found: list[Exchange] = []
    for entry in json.loads((DATA / name).read_text("utf-8"))[part]:
        request = entry["request"]
        exchange = Exchange(
            label=entry["label"] or f"{request['method']} {request['path']}",
            method=request["method"],
            path=request["path"],
            request_headers=request["headers"],
            request_body=_uncut(request["body"]),
            status=entry["status"],
            headers=entry["headers"],
            body=entry["body"],
        )
        found.append(exchange)
    return found


def _uncut(body: Json) -> Json:
    """Restore texts that the recorder wrote as `xxx…<4097 chars>`."""
    if isinstance(body, dict):
        return {name: _uncut(value) for name, value in body.items()}
    if isinstance(body, str) and (cut := re.search(r"…<(\d+) chars>$", body)):
        return body[0] * int(cut[1])
    return body


def substitute(value: Json, names: Mapping[str, str]) -> Json:
    """Replace the recording's identifiers by those of this run."""
    text = json.dumps(value, ensure_ascii=False)
    for recorded, actual in names.items():
        text = text.replace(recorded, actual)
    substituted: Json = json.loads(text)
    return substituted


def differences(recorded: Json, actual: Json, place: str = "body", field: str = "") -> Iterable[str]:
    """Yield every difference that VOLATILE does not name; keys must even come in the same order."""
    if isinstance(recorded, dict) and isinstance(actual, dict):
        if list(recorded) != list(actual):
            yield f"{place}: fields {list(actual)} instead of {list(recorded)}"
            return
        for name, value in recorded.items():
            yield from differences(value, actual[name], f"{place}.{name}", name)
    elif isinstance(recorded, list) and isinstance(actual, list):
        if len(recorded) != len(actual):
            yield f"{place}: {len(actual)} items instead of {len(recorded)}"
        for at, (left, right) in enumerate(zip(recorded, actual, strict=False)):
            yield from differences(left, right, f"{place}[{at}]", field)
    else:
        yield from _leaf_differences(recorded, actual, place, field)


def _leaf_differences(recorded: Json, actual: Json, place: str, field: str) -> Iterable[str]:
    if type(recorded) is not type(actual) or recorded is None or field not in VOLATILE:
        if type(recorded) is not type(actual) or recorded != actual:
            yield f"{place}: {actual!r} instead of {recorded!r}"
        return
    for side, value in (("recorded", recorded), ("actual", actual)):
        if not re.fullmatch(VOLATILE[field], str(value)):
            yield f"{place}: {side} {value!r} is not {VOLATILE[field]}"


def header_differences(recorded: Mapping[str, str], actual: Mapping[str, str]) -> Iterable[str]:
    """Yield every difference in the headers that the recording has."""
    found = {name.lower(): value for name, value in actual.items()}
    for name, value in recorded.items():
        got = found.get(name.lower())
        if got is None:
            yield f"header {name} is missing"
        elif name in VOLATILE_HEADERS:
            if not re.fullmatch(VOLATILE_HEADERS[name], got):
                yield f"header {name}: {got!r} is not {VOLATILE_HEADERS[name]}"
        elif got != value:
            yield f"header {name}: {got!r} instead of {value!r}"
