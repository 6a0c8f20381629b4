"""Finds where the members of a JSON object lie in its text, without reading the values: they may be 25 MB of base64."""

import re

from openwa_manager.domain import foreign_json
from openwa_manager.domain.values import dataclass

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SPACE = re.compile(rb"[ \t\r\n]*")
_NESTING = re.compile(rb'["{}\[\]]')
_SCALAR = re.compile(rb"[^\s,\]}\[{\"]+")
_BACKSLASH = ord("\\")
#: A longer name is none we look for.
_NAME_MAX_BYTES = 200
#: A message has fewer than 20 members, and its longest list is that of those mentioned.
_MEMBERS_MAX = 100
_MARKS_MAX = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Where a member's name and value are written."""

    name: slice
    value: slice


def members_of(raw: bytes | bytearray) -> dict[str, Member] | None:
    """Return the members of the object that `raw` holds, of a repeated one the last; None when it is no object.

    Only as much is looked at as is needed to find them: values may be malformed inside.
    """
    try:
        return _members(raw, len(BYTE_ORDER_MARK) if raw.startswith(BYTE_ORDER_MARK) else 0)
    except ValueError:
        return None


def _members(raw: bytes | bytearray, at: int) -> dict[str, Member]:
    found: dict[str, Member] = {}
    at = _after(raw, at, b"{")
    if raw[at : at + 1] == b"}":
        return _ended(raw, at, found)
    for _ in range(_MEMBERS_MAX):
        name = slice(at, string_end(raw, at))
        begin = _after(raw, name.stop, b":")
        value = slice(begin, _value_end(raw, begin))
        found[_name(raw, name)] = Member(name=name, value=value)
        at = _skip(raw, value.stop)
        if raw[at : at + 1] == b"}":
            return _ended(raw, at, found)
        at = _after(raw, at, b",")
    raise ValueError("too many members")


def _ended(raw: bytes | bytearray, at: int, found: dict[str, Member]) -> dict[str, Member]:
    if _skip(raw, at + 1) != len(raw):
        raise ValueError("there is more behind the object")
    return found


def _name(raw: bytes | bytearray, name: slice) -> str:
    if name.stop - name.start > _NAME_MAX_BYTES:
        return ""
    return str(foreign_json.parse(bytes(raw[name])))


def _skip(raw: bytes | bytearray, at: int) -> int:
    space = _SPACE.match(raw, at)
    return space.end() if space else at


def _after(raw: bytes | bytearray, at: int, mark: bytes) -> int:
    """Return where that begins which comes behind this mark."""
    at = _skip(raw, at)
    if raw[at : at + 1] != mark:
        raise ValueError(f"no {mark!r} at {at}")
    return _skip(raw, at + 1)


def string_end(raw: bytes | bytearray, at: int) -> int:
    """Return where the string that begins at `at` ends; a quote behind an odd number of backslashes does not end it.

    Raises:
        ValueError: there is none, or it has no end.
    """
    if raw[at : at + 1] != b'"':
        raise ValueError(f"no string at {at}")
    end = at
    while (end := raw.find(b'"', end + 1)) >= 0:
        first = end
        while raw[first - 1] == _BACKSLASH:
            first -= 1
        if (end - first) % 2 == 0:
            return end + 1
    raise ValueError("a string without an end")


def _value_end(raw: bytes | bytearray, at: int) -> int:
    kind = raw[at : at + 1]
    if kind == b'"':
        return string_end(raw, at)
    if kind not in (b"{", b"["):
        scalar = _SCALAR.match(raw, at)
        if scalar is None:
            raise ValueError(f"no value at {at}")
        return scalar.end()
    depth = 0
    for _ in range(_MARKS_MAX):
        mark = _NESTING.search(raw, at)
        if mark is None:
            break
        if mark[0] == b'"':
            at = string_end(raw, mark.start())
            continue
        at = mark.end()
        depth += 1 if mark[0] in b"{[" else -1
        if depth == 0:
            return at
    raise ValueError("a value without an end, or with too much in it")
