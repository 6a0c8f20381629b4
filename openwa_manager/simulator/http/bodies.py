"""Reads bodies as Express does: JSON and forms, in the encodings it takes; anything else counts as no body."""

import json
import re
from email.message import Message
from urllib.parse import parse_qsl

from openwa_manager.simulator.http.errors import HttpError, refusal
from openwa_manager.simulator.http.wire import Json, Request

_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_FORM_CHARSETS = ("utf-8", "iso-8859-1")
_KEYS = re.compile(r"\[([^\[\]]*)\]")
#: More parameters, or deeper ones, `qs` does not read.
_PARAMETERS_MAX, _DEPTH_MAX = 1000, 5


def read_body(request: Request) -> dict[str, Json]:
    """Return the body's fields. Raises: HttpError."""
    head = Message()
    head["content-type"] = request.headers.get("content-type", "")
    kind, charset = head.get_content_type(), str(head.get_content_charset("utf-8"))
    if not request.body or kind not in (_JSON, _FORM):
        return {}
    if not (charset.startswith("utf-") if kind == _JSON else charset in _FORM_CHARSETS):
        raise HttpError(415, {"statusCode": 415, "message": f'unsupported charset "{charset.upper()}"'})
    text = request.body.decode(charset, "replace").removeprefix("\ufeff")
    return _json_fields(text) if kind == _JSON else _form_fields(text)


def _json_fields(text: str) -> dict[str, Json]:
    try:
        parsed: Json = json.loads(text)
    except json.JSONDecodeError as error:
        raise refusal(400, _complaint(text, error)) from None
    if isinstance(parsed, dict):
        return parsed
    if isinstance(parsed, list):
        return {str(at): item for at, item in enumerate(parsed)}
    raise refusal(400, f"Unexpected token '{text[0]}', \"{text[:20]}\" is not valid JSON")


def _complaint(text: str, error: json.JSONDecodeError) -> str:
    """Say about malformed JSON what V8 says, as far as the two parsers agree on the place."""
    if error.msg.startswith("Expecting property name"):
        place = f"position {error.pos} (line {error.lineno} column {error.colno})"
        return f"Expected property name or '}}' in JSON at {place}"
    if error.pos >= len(text):
        return "Unexpected end of JSON input"
    return f"Unexpected token '{text[error.pos]}', \"{text[:20]}\" is not valid JSON"


def _form_fields(text: str) -> dict[str, Json]:
    """Return a form's fields as `qs` reads them: `a[]=x`, `a[0]=x` and a repeated `a` are lists, `a[k]=x` an object."""
    fields: dict[str, Json] = {}
    for name, value in parse_qsl(text, keep_blank_values=True)[:_PARAMETERS_MAX]:
        begin = name.partition("[")[0]
        keys = _KEYS.findall(name[len(begin) :])[:_DEPTH_MAX]
        if begin:
            fields[begin] = _with(fields.get(begin), keys, value)
    return fields


def _with(known: Json, keys: list[str], value: str) -> Json:
    """Return what is known of a field with one more value in it."""
    if not keys:
        if known is None:
            return value
        return [*known, value] if isinstance(known, list) else [known, value]
    key, *rest = keys
    if key == "" or key.isdecimal():
        return [*(known if isinstance(known, list) else []), _with(None, rest, value)]
    members = known if isinstance(known, dict) else {}
    return {**members, key: _with(members.get(key), rest, value)}
