"""Reads forms as OpenWA does (`qs`): `a[]=x`, `a[0]=x` and a repeated `a` are lists, `a[k]=x` is an object."""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl

from openwa_manager.domain.delivery.events import Json

_FORM = "application/x-www-form-urlencoded"
_KEYS = re.compile(r"\[([^\[\]]*)\]")
#: How many fields of a form are read, and how deep a name may lead.
_FIELDS_MAX, _DEPTH_MAX = 200, 4
_BYTE_ORDER_MARK = "\ufeff"


def form_of(raw: bytes | bytearray, content_type: str) -> dict[str, Json] | None:
    """Return the fields of a form; None when the body is said to be none, or is not one."""
    if content_type != _FORM:
        return None
    try:
        text = bytes(raw).decode().removeprefix(_BYTE_ORDER_MARK)
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError:
        return None
    fields: dict[str, Json] = {}
    for name, value in pairs:
        begin = name.partition("[")[0]
        if begin:
            keys = _KEYS.findall(name[len(begin) :])[:_DEPTH_MAX]
            fields[begin] = _with(fields.get(begin), keys, value)
    return fields


def _with(known: Json, keys: Sequence[str], value: str) -> Json:
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
