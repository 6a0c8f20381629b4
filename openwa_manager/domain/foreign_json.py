"""Reads JSON that somebody else wrote: engines, callers, receivers, and rows of earlier versions; the one way to do so.

What JSON leaves open is decided here, once. A text may be nested a thousand deep: it passes one parser and breaks the
next, later and for everybody. It may hold half an emoji (a lone surrogate), which no encoder takes, and numbers that
are not finite, which no other language reads; and a megabyte of it may be half a million values, which take a second.
So a text is made safe before anything parses it: one that is too deep, too large or has too many values is refused,
half emojis become U+FFFD, and numbers that are not finite become null.
"""

import json
import math
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from openwa_manager.domain.errors import UnreadableJsonError

if TYPE_CHECKING:  # for the command line, which starts without all that this would bring along
    from openwa_manager.domain.delivery.events import Json

#: How deep arrays and objects may be nested; what OpenWA posts is nested less than ten deep.
DEPTH_MAX = 64
#: What is larger is refused, unless the caller says less: base64 of the largest image that OpenWA takes fits.
MAX_BYTES = 48 << 20
#: The same of values: no call and no event has so many (a group of 1,024 has some thousands); they take some 30 ms.
VALUES_MAX = 50_000

#: Half of a character beyond the first 65,536, written as an escape; the parser joins it with its other half, if any.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
#: One that no other half has joined.
_LONE = re.compile("[\ud800-\udfff]")
#: The largest finite number has 309 digits.
_INT_MAX_DIGITS = 308
# A string that nobody ends goes to the end of the text, so that no part of the text is looked at twice.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


def parse(data: bytes | str, max_bytes: int = MAX_BYTES, max_values: int | None = VALUES_MAX) -> "Json":
    """Return what a JSON text says, made safe as the module says; `max_values` None means as many as it likes.

    Raises:
        UnreadableJsonError: it is no JSON, too large, nested too deeply or has too many values.
    """
    text = _checked(data, max_bytes, max_values)
    if _HALF.search(text):
        return _parsed(_whole(text), _PLAIN)
    return _parsed(text, _FINITE)


def make_safe(data: bytes | str, max_bytes: int = MAX_BYTES, max_values: int | None = VALUES_MAX) -> str:
    """Return the same text as every parser reads it; what is no JSON stays none.

    Raises:
        UnreadableJsonError: it is no UTF-8, too large, nested too deeply or has too many values.
    """
    text = _checked(data, max_bytes, max_values)
    return _whole(text) if _HALF.search(text) or _has_endless_number(text) else text


def count_values(data: bytes | str) -> int:
    """Return how many values a JSON text has at most: each takes as much time as many bytes of a string do."""
    if isinstance(data, str):
        return data.count(",") + data.count("[") + data.count("{")
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def _checked(data: bytes | str, max_bytes: int, max_values: int | None) -> str:
    if len(data) > max_bytes:
        raise UnreadableJsonError(f"it has more than {max_bytes} bytes")
    text = data if isinstance(data, str) else _decoded(data)
    if text.count("[") + text.count("{") > DEPTH_MAX and _is_too_deep(text):
        raise UnreadableJsonError(f"it is nested more than {DEPTH_MAX} deep")
    if max_values is not None and count_values(text) > max_values and _has_more_values(text, max_values):
        raise UnreadableJsonError(f"it has more than {max_values} values")
    return text


def _has_more_values(text: str, count: int) -> bool:
    """Tell whether more than so many are left once strings, which may be full of commas, are left out."""
    return count_values(_STRING.sub("", text)) > count


def _whole(text: str) -> str:
    """Return the text written anew, without half characters and endless numbers."""
    return _LONE.sub("\ufffd", json.dumps(_parsed(text, _FINITE), ensure_ascii=False, separators=(",", ":")))


# A search for long runs of digits would take a second for some texts; a parser looks at each character once.
def _has_endless_number(text: str) -> bool:
    found: set[bool] = set()

    def note(value: float | None) -> float | None:
        if value is None:
            found.add(True)
        return value

    decoder = json.JSONDecoder(
        parse_constant=lambda _: note(None),
        parse_float=lambda token: note(_finite_float(token)),
        parse_int=lambda token: note(_finite_int(token)),
    )
    with suppress(ValueError):
        decoder.decode(text)
    return bool(found)


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableJsonError(f"it is not UTF-8: {error.reason} at {error.start}") from error


def _finite_float(token: str) -> float | None:
    number = float(token)
    return number if math.isfinite(number) else None


def _finite_int(token: str) -> int | None:
    return int(token) if len(token) <= _INT_MAX_DIGITS else None


_PLAIN = json.JSONDecoder()
_FINITE = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite_float, parse_int=_finite_int)


def _parsed(text: str, decoder: json.JSONDecoder) -> "Json":
    try:
        value: Json = decoder.decode(text)
    except ValueError as error:
        raise UnreadableJsonError(f"it is not JSON: {error}") from error
    return value


def _is_too_deep(text: str) -> bool:
    """Tell whether brackets are left once the innermost pairs were removed as often as they may be nested."""
    brackets = _STRING.sub("", text).encode("ascii", "replace").translate(_ONE_KIND, _NO_BRACKETS)
    for _ in range(DEPTH_MAX):
        before = len(brackets)
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return False
        if len(brackets) == before:  # nothing fits together: no parser would take it either
            return True
    return True
